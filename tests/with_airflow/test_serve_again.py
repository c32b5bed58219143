"""A version that was rolled back serves again: its directory takes the place of an export, and nothing is exported."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.publish.history import read_history
from tendies_ops.spec import ModelSpec, ReleaseSpec, read_manifest
from tests.support.airflow_runs import run_task
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.watching_server import WatchingServer


def release(directory: str) -> ReleaseModelVersionOperator:
    options = ReleaseSpec(available_timeout_s=20)
    return ReleaseModelVersionOperator(
        task_id="release", saved_model_dir=directory, options=options, rehearse=False, note="the rollback was a mistake"
    )


def exported(base: Path, version: int | str) -> dict[str, Any]:
    spec = ModelSpec.model_validate(
        {"model_name": MODEL_NAME, "source": {"checkpoint": "/none"}, "release": {"model_base_path": str(base)}}
    )
    operator = ExportSavedModelOperator(task_id="export", spec=spec, version=version)
    context: Any = {"ti": SimpleNamespace(dag_id="release", run_id="manual__1")}
    return operator.run(context, threading.Event())


@pytest.mark.usefixtures("server_connection")
def test_a_version_that_was_rolled_back_serves_again_under_the_next_number(
    server: WatchingServer, tmp_path: Path
) -> None:
    for by in (10, 20):
        run_task(f"again_{by}", partial(release, str(make_candidate(tmp_path / str(by), by=by))))
    run_task("again_back", lambda: RollbackModelVersionOperator(task_id="rollback", model_name=MODEL_NAME))
    assert server.serving() == [1]
    (withdrawn,) = server.base.glob("2.withdrawn-*")

    made = exported(server.base, "2")
    run_task("again_forward", lambda: release(made["saved_model_dir"]))

    assert server.serving() == [3]
    assert read_manifest(server.base / "3").model_digest == read_manifest(withdrawn).model_digest
    assert (record := read_history(server.base)[-1]).event == "released"
    assert (record.version, record.reason) == (3, "the rollback was a mistake")


def test_a_version_that_is_not_kept_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Version 7 of .* is not kept in .*; found \[\]"):
        exported(tmp_path / "models", 7)
