from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.airflow_home import use_own_airflow

use_own_airflow()  # before any test module imports airflow

from tests.support.airflow_runs import connection_json  # noqa: E402 - it imports airflow
from tests.support.watching_server import WatchingServer  # noqa: E402 - after the call above, as all imports


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
