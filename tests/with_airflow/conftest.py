from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.airflow_home import REPOSITORY, use_own_airflow

use_own_airflow()  # before any test module imports airflow

from tests.support.airflow_runs import connection_json  # noqa: E402 - it imports airflow
from tests.support.otlp_receiver import OtlpReceiver  # noqa: E402 - after the call above, as all imports
from tests.support.watching_server import WatchingServer  # noqa: E402 - after the call above, as all imports


@dataclass(frozen=True)
class Observed:
    """Where releases and batches have run, with lineage in ``events.jsonl``, and the spans that they have sent."""

    place: Path
    traces: OtlpReceiver


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Observed:
    """Tasks that ran with the OpenLineage provider and Airflow's tracing switched on."""
    place = tmp_path_factory.mktemp("observed")
    transport = {"type": "file", "log_file_path": str(place / "events.jsonl"), "append": True}
    with OtlpReceiver() as traces:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.observed_tasks", str(place)],
            env={**os.environ, **traces.environment, "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return Observed(place, traces)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WatchingServer]:
    """A server that watches a directory of this test's own."""
    base = tmp_path / "models"
    base.mkdir()
    with WatchingServer(base) as running:
        yield running


@pytest.fixture
def server_connection(server: WatchingServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The default connection leads to that server and its directory."""
    value = connection_json(server.url, model_base_path=server.base)
    monkeypatch.setenv("AIRFLOW_CONN_TF_SERVING_DEFAULT", value)
    return "tf_serving_default"
