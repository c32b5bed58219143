"""All checks, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.doctor.base_paths import look_at_base_path
from tendies_ops.doctor.deployment import look_at_airflow
from tendies_ops.doctor.finding import Finding, problem
from tendies_ops.doctor.folders import look_at_folders
from tendies_ops.doctor.servers import Answers, ask_servers, look_at_clock, look_at_servers
from tendies_ops.errors import PublishError
from tendies_ops.in_service import BasePathView, version_in_service
from tendies_ops.in_service import look_at_base_path as view_of
from tendies_ops.rest_api.status import ServedVersions


@dataclass(frozen=True)
class Subject:
    """
    The subjects of the checks.

    :param model_base_path: absent: only the servers are asked.
    :param folders: input and output of each batch.
    :param labels: releases move the label ``stable``.
    :param connection: id of Airflow's connection to Model Server; absent: Airflow is not asked.
    """

    model_name: str
    servers: Sequence[str]
    model_base_path: Path | None = None
    folders: Sequence[tuple[str, str]] = ()
    labels: bool = False
    connection: str | None = None
    credentials: Credentials = NO_CREDENTIALS
    timeout_s: float = 5.0


def examine(subject: Subject) -> Iterator[Finding]:
    """Check servers, model base path, folders and Airflow, in this order; yield each finding as it is made."""
    answers = ask_servers(subject.servers, subject.model_name, subject.credentials, subject.timeout_s)
    base = subject.model_base_path
    try:
        view = view_of(base)
    except (PublishError, OSError) as error:
        yield problem(base, f"the state of releases cannot be read: {error}", "Fix its permissions, or restore it.")
        view = BasePathView()
    yield from look_at_servers(answers, subject.model_name, view, labels=subject.labels)
    for url, answer in answers.items():
        if isinstance(answer, ServedVersions):
            yield from look_at_clock(url, subject.timeout_s)
    if base is not None:
        yield from look_at_base_path(base, in_service=_in_service(answers, view), unproved=view.unproved)
    for input_folder, output_folder in subject.folders:
        yield from look_at_folders(input_folder, output_folder)
    if subject.connection is not None:
        yield from look_at_airflow(subject.connection)


def _in_service(answers: Answers, view: BasePathView) -> int | None:
    return version_in_service((one for one in answers.values() if isinstance(one, ServedVersions)), view).version
