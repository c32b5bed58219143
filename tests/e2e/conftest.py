from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.airflow import LiveAirflow, start_airflow
from tests.support.release_fixtures import base

__all__ = ["base"]


@pytest.fixture(scope="session")
def live_airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAirflow]:
    """
    One live Airflow for all tests here.

    A test adds DAG files with ``live_airflow.add_dag_file`` and model specs with ``live_airflow.add_spec``, under names
    of its own, for the others' stay.
    """
    live = start_airflow(tmp_path_factory.mktemp("live_airflow"))
    yield live
    live.stop()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where a script that is killed makes what it needs."""
    path = tmp_path / "scratch"
    path.mkdir()
    return path
