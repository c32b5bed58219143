"""Pin the version of a run, and find out what it returns."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.client import ModelServerClient
from tendies_ops.client.questions import ask_each
from tendies_ops.errors import (
    ModelServerError,
    NotNowError,
    RequestRefusedError,
    StoppedError,
    TendiesError,
    VersionGoneError,
    VersionRemovedError,
)
from tendies_ops.in_service import BasePathView, InService, look_at_base_path, version_in_service
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.requests.pacer import Pacer
from tendies_ops.inference.requests.replica import Replica
from tendies_ops.inference.results import Answers, describe_answers
from tendies_ops.publish.leases import hold_lease
from tendies_ops.publish.version_dirs import list_version_dirs, manifest_or_none
from tendies_ops.rest_api.status import STABLE, ServedVersions
from tendies_ops.spec import Manifest
from tendies_ops.spec.batch_settings import NEWEST

_NOTICED_WITHIN_S = 5.0  # Model Server polls its directory every second by default
_LOOK_EVERY_S = 0.2
_MOMENT_S = 1.0  # for the other servers, once one has answered
Say = Callable[[str], None]


def no_note(_: str) -> None:
    """Drop the sentence."""


@contextlib.contextmanager
def open_replicas(options: BatchOptions) -> Iterator[list[Replica]]:
    """Open a client for each server, and close all at the end."""
    credentials = options.credentials.with_files(options)
    with contextlib.ExitStack() as stack:
        yield [
            Replica(
                stack.enter_context(ModelServerClient(url, timeout_s=options.timeout_s, credentials=credentials)),
                Pacer(options.max_concurrency),
            )
            for url in options.servers
        ]


@dataclass(frozen=True)
class PinnedVersion:
    """The version of a whole run."""

    version: int
    why: str  #: reason for this version, as a clause


def pin_version(
    replicas: Sequence[Replica], options: BatchOptions, cancelled: threading.Event, say: Say = no_note
) -> PinnedVersion:
    """
    Choose the version of this run by ``options.version``.

    A server that does not answer, or does not serve that version yet while another one does, is left out until it
    serves it. A run can therefore start while servers restart or have different versions. While a release is proving
    the only version that is AVAILABLE, the run waits for its end.

    :param say: gets a sentence if the run has to wait.
    :raises VersionGoneError: no server serves the wanted version; or no version is in service.
    :raises NotNowError: a release has not ended within ``sick_deadline_s``.
    :raises ModelServerError: no server answers.
    :raises StoppedError: ``cancelled`` was set.
    """
    started_s = time.monotonic()
    waits = False
    while True:
        served = _served_versions(replicas, options)
        waited_s = time.monotonic() - started_s
        found = _choose(options, served.values(), _look_at_base_path(options, waited_s))
        if found.version is not None:
            _leave_out_others(served, found.version, options)
            return PinnedVersion(found.version, found.why)
        if not found.settles or waited_s > options.sick_deadline_s:
            raise _nothing_to_pin(options, found)
        if not waits:
            say(f"Waiting for a version of {options.model_name} to be in service: {found.why}.")
            waits = True
        if cancelled.wait(_LOOK_EVERY_S):
            raise StoppedError("The batch run was asked to stop while it waited for a version to be in service.")


@contextlib.contextmanager
def pinned_version(
    replicas: Sequence[Replica], options: BatchOptions, cancelled: threading.Event, say: Say = no_note
) -> Iterator[PinnedVersion]:
    """
    Pin the version of this run and, if its directory is visible, hold a lease on it.

    A version that has just been withdrawn answers until the server has polled its directory. It is not used: its digest
    is not known any more. Servers are asked again until they have noticed, or seem to watch another directory.

    :raises VersionGoneError, NotNowError, ModelServerError, StoppedError: as :func:`pin_version` does.
    :raises PublishError: the lease cannot be written.
    """
    with contextlib.ExitStack() as stack:
        deadline_s = time.monotonic() + _NOTICED_WITHIN_S
        pin = pin_version(replicas, options, cancelled, say)
        while not _lease(stack, options, pin.version) and time.monotonic() < deadline_s and not cancelled.wait(0.2):
            pin = pin_version(replicas, options, cancelled, say)
        say(f"Using version {pin.version} of {options.model_name}: {pin.why}.")
        yield pin


def _look_at_base_path(options: BatchOptions, waited_s: float) -> BasePathView:
    """Return the view of the base path; without its versions, if the servers seem to watch another directory."""
    base = look_at_base_path(options.model_base_path)
    return base if waited_s < _NOTICED_WITHIN_S else base.without_versions()


def _choose(options: BatchOptions, served: Collection[ServedVersions], base: BasePathView) -> InService:
    wanted = options.version
    if isinstance(wanted, int):
        by_plan = "the plan of the shards pinned it"
        return InService(wanted, by_plan if options.shard else "it was asked for by its number")
    if wanted is None:
        return version_in_service(served, base)
    if wanted == NEWEST:
        common = frozenset.intersection(*(one.serving for one in served))
        return InService(max(common, default=None), "the newest was asked for")
    if all(one.labelled is None for one in served):
        return InService(None, f"no server knows the label {wanted}")
    return version_in_service(served, base, label=wanted)


def _nothing_to_pin(options: BatchOptions, found: InService) -> TendiesError:
    servers = ", ".join(options.servers)
    words = f"No version of {options.model_name} can be used on {servers}: {found.why}."
    if found.settles:
        return NotNowError(f"{words} Nothing changed within {options.sick_deadline_s:g} s; run the batch again later.")
    return VersionGoneError(f"{words} Release one, or roll back; `version` (--version) names another one.")


def _leave_out_others(served: dict[Replica, ServedVersions], version: int, options: BatchOptions) -> None:
    lacking = [replica for replica, one in served.items() if version not in one.serving]
    if len(lacking) == len(served):
        raise VersionGoneError(
            f"{lacking[0].client.base_url} does not serve version {version} of {options.model_name}; "
            f"it serves {_listed(served[lacking[0]].serving)}."
        )
    for replica, one in served.items():
        if version in one.serving:
            replica.looked(None, time.monotonic())  # it may have been left out for lack of another version
        else:
            words = f"{replica.client.base_url} serves {_listed(one.serving)} instead of version {version}"
            replica.looked(VersionGoneError(words), time.monotonic())


def _served_versions(replicas: Sequence[Replica], options: BatchOptions) -> dict[Replica, ServedVersions]:
    """
    Return the versions of each server that answers soon after the first one. The others are left out.

    :raises ModelServerError: none answers; this is the error of the first one.
    """
    clients = [replica.client for replica in replicas]
    answers = ask_each(clients, lambda client: _ask(client, options), moment_s=_MOMENT_S)
    served = {}
    for replica, answer in zip(replicas, answers, strict=True):
        if isinstance(answer, ModelServerError):
            replica.looked(answer, time.monotonic())
        else:
            served[replica] = answer
    if not served:
        raise next(answer for answer in answers if isinstance(answer, ModelServerError))
    return served


def _ask(client: ModelServerClient, options: BatchOptions) -> ServedVersions:
    if isinstance(options.version, int) or options.version == NEWEST:  # labels do not matter
        return ServedVersions(client.version_statuses(options.model_name))
    labelled = _version_of_label(client, options.model_name, options.version or STABLE)
    return ServedVersions(client.version_statuses(options.model_name), labelled)


def _version_of_label(client: ModelServerClient, model_name: str, label: str) -> int | None:
    try:
        return client.version_of_label(model_name, label)
    except RequestRefusedError as error:
        raise RequestRefusedError(
            f"{str(error).rstrip('.')}. The request asked which version the label {label} names. If other requests "
            "succeed, use a number as `version` (--version); otherwise the servers need credentials.",
            http_status=error.http_status,
            server_words=error.server_words,
        ) from error


def find_manifest(options: BatchOptions, version: int) -> Manifest | None:
    """Return the manifest of the pinned version, if its directory is visible and has one."""
    if options.model_base_path is None:
        return None
    return manifest_or_none(Path(options.model_base_path) / str(version))


def find_optimized_sheet(options: BatchOptions, version: int, manifest: Manifest | None) -> Path | None:
    """
    Return the contact sheet of the variant that the pinned version serves; None: it serves float32, or is not visible.

    :param manifest: of that version, from :func:`find_manifest`.
    """
    if manifest is None or manifest.optimization is None:
        return None
    taken = manifest.optimization.chosen
    sheet = next((one.sheet for one in manifest.optimization.variants if one.name == taken), None)
    version_dir = (Path(options.model_base_path or "") / str(version)).resolve()
    path = (version_dir / (sheet or "")).resolve()
    return path if path.is_file() and path.is_relative_to(version_dir) else None


def find_answers(
    replicas: Sequence[Replica], options: BatchOptions, version: int, manifest: Manifest | None
) -> Answers:
    """Return the outputs of the pinned version, from its manifest or a server's metadata; unknown without either."""
    if manifest is not None:
        return describe_answers(manifest, {})
    for replica in sorted(replicas, key=lambda replica: not replica.in_rotation):
        with contextlib.suppress(ModelServerError):  # unreachable, or behind a proxy: the next one may have it
            return describe_answers(None, replica.client.metadata(options.model_name, version))
    return Answers()


def _lease(stack: contextlib.ExitStack, options: BatchOptions, version: int) -> bool:
    """Hold a lease if versions are visible; return False if this one is not among them."""
    base = Path(options.model_base_path or "")
    if options.model_base_path is None or not base.is_dir() or not list_version_dirs(base):
        return True
    try:
        stack.enter_context(hold_lease(base, version, holder=f"batch run {options.run_id}"))
    except VersionRemovedError:
        return False
    return True


def _listed(versions: Collection[int]) -> str:
    return ", ".join(map(str, sorted(versions, reverse=True))) or "none"
