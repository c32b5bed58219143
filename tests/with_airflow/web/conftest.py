from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.airflow_home import initialize_database
from tests.support.full_world import RUN, fill_world
from tests.support.web_world import WebWorld, make_world
from tests.with_airflow.web.clients import Clients


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> WebWorld:
    """Two versions that were released, one that was withdrawn, one run. No replica answers."""
    world = make_world(tmp_path_factory.mktemp("web"), servers=("http://127.0.0.1:9",))
    fill_world(world)
    return world


@pytest.fixture(scope="session")
def airflow_app(world: WebWorld) -> Any:
    """The real Airflow application, with the pages of this test's world mounted where the plugin mounts them."""
    initialize_database()
    from airflow.api_fastapi.app import create_app
    from starlette.routing import Mount

    from tendies_ops.web.app import build_app
    from tendies_ops.web.settings import read_settings

    app = create_app(apps="core")
    mounts = [route for route in app.routes if isinstance(route, Mount) and route.path == "/tendies"]
    assert len(mounts) == 1, "the plugin mounts the pages, once"
    pages = build_app(read_settings(world.environment()))
    mounts[0].app = pages
    app.state.pages = pages
    return app


@pytest.fixture(scope="session")
def clients(airflow_app: Any) -> Iterator[Clients]:
    """One HTTP client a role; "anonymous" has no cookie."""
    with Clients(airflow_app) as clients:
        yield clients


@pytest.fixture
def run_url() -> str:
    return f"/tendies/runs/brush/{RUN}"


@pytest.fixture
def serving_two(airflow_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the one replica served version 2."""
    from tendies_ops.rest_api.status import ServedVersions, VersionStatus
    from tendies_ops.web.sources.server_states import ReplicaState

    states = airflow_app.state.pages.state.services.states
    answer = (ReplicaState("http://127.0.0.1:9", ServedVersions({2: VersionStatus(2, "AVAILABLE")})),)
    monkeypatch.setattr(states, "of", lambda *_: answer)
