"""A spec that names no servers: the pages ask the Airflow connection, in the API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.hooks.locating import Locator
from tendies_ops.spec import ModelSpec
from tests.support.airflow_home import initialize_database


@pytest.fixture(autouse=True)
def _api_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's API server says of itself that it may ask the database for connections."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")


def spec(conn_id: str, **release: object) -> ModelSpec:
    return ModelSpec.model_validate(
        {
            "model_name": "m",
            "source": {"checkpoint": "c"},
            "release": release,
            "airflow": {"server_conn_id": conn_id},
        }
    )


def test_a_spec_that_says_everything_needs_no_connection() -> None:
    place = Locator()(spec("no_such", model_base_path="/models/m", servers=["http://a:1"]))
    assert (place.model_base_path, place.servers) == (Path("/models/m"), ("http://a:1",))


def test_a_connection_of_the_environment_fills_what_the_spec_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_SERVED_HERE",
        '{"conn_type": "tf_serving", "host": "a,b:9", "port": 8501, "extra": {"model_base_path": "/x/{model_name}"}}',
    )
    place = Locator()(spec("served_here"))
    assert (place.model_base_path, place.servers) == (Path("/x/m"), ("http://a:8501", "http://b:9"))


def test_a_connection_of_the_database_is_found_by_the_api_server() -> None:
    initialize_database()
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id="in_the_database", conn_type="tf_serving", host="c", port=8502))
    assert Locator()(spec("in_the_database")).servers == ("http://c:8502",)


def test_a_connection_that_is_not_there_leaves_the_model_without_replicas_and_is_asked_for_again_later() -> None:
    initialize_database()
    now = [0.0]
    locate = Locator(lambda: now[0])
    assert locate(spec("comes_later")).servers == ()
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id="comes_later", conn_type="tf_serving", host="d"))
    assert locate(spec("comes_later")).servers == ()
    now[0] = 60.0
    assert locate(spec("comes_later")).servers == ("http://d:8501",)
