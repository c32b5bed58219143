from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.airflow import LiveAirflow, start_airflow


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
