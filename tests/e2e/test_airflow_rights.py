"""Every route, and what stands behind every button, for every role, over HTTP: on a live Airflow with either users."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.airflow import LiveAirflow
from tests.support.full_world import ROUTES, RUN, fill_world, keep_try, statuses
from tests.support.second_api_server import start_fab_api_server
from tests.support.web_world import MODEL, add_world

pytestmark = pytest.mark.timeout(600)

_ROLES = ("viewer", "user", "op", "admin")
_NO_PARAMETERS: dict[str, Any] = {"logical_date": None, "conf": {}}
_BATCH, _RELEASE = f"tendies_batch_{MODEL}", f"tendies_release_{MODEL}"


@pytest.fixture(scope="module")
def simple(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> LiveAirflow:
    """The live Airflow, with a world behind its pages."""
    nowhere = {"servers": ["http://127.0.0.1:9"]}
    fill_world(add_world(live_airflow, tmp_path_factory.mktemp("rights"), MODEL, release=nowhere))
    keep_try(Path(live_airflow.environment["TENDIES_CACHE_DIR"]))
    for dag_id in (_BATCH, _RELEASE):
        live_airflow.wait(f"DAG {dag_id}", partial(live_airflow.call, "GET", f"/dags/{dag_id}"))
    return live_airflow


@pytest.fixture(scope="module")
def fab(simple: LiveAirflow) -> Iterator[LiveAirflow]:
    server = start_fab_api_server(simple)
    yield server
    server.stop()


@pytest.fixture(params=["simple", "fab"])
def airflow(request: pytest.FixtureRequest) -> LiveAirflow:
    found: LiveAirflow = request.getfixturevalue(request.param)
    return found


def get(airflow: LiveAirflow, address: str, role: str | None) -> requests.Response:
    cookies = {} if role is None else {"_token": airflow.token(role)}
    return requests.get(f"{airflow.url}/tendies{address}", cookies=cookies, timeout=60, allow_redirects=False)


def test_each_route_answers_each_role_as_the_table_says(airflow: LiveAirflow) -> None:
    for route, (address, _) in ROUTES.items():
        seen = {role: get(airflow, address, role).status_code for role in _ROLES}
        assert {"anonymous": get(airflow, address, None).status_code, **seen} == statuses(route), route


def test_a_role_without_rights_sees_no_model(fab: LiveAirflow) -> None:
    for route, (address, status) in ROUTES.items():
        answer = get(fab, address, "public")
        assert answer.status_code == (404 if "{model_name}" in route else status), route
        assert RUN not in answer.text, route
    assert _status(fab, "POST", f"/dags/{_BATCH}/dagRuns", "public", _NO_PARAMETERS) == 403


@pytest.mark.parametrize("dag_id", [_BATCH, _RELEASE])
def test_a_run_is_started_by_who_gets_the_button(airflow: LiveAirflow, dag_id: str) -> None:
    seen = {role: _status(airflow, "POST", f"/dags/{dag_id}/dagRuns", role, _NO_PARAMETERS) for role in _ROLES}
    assert seen == {"viewer": 403, "user": 200, "op": 200, "admin": 200}


def test_a_rollback_is_asked_for_by_who_gets_the_button(airflow: LiveAirflow) -> None:
    path = f"/assets/{airflow.asset_id(f'tendies://rollback/{MODEL}')}/state-store/rollback_request/a"
    seen = {role: _status(airflow, "PUT", path, role, {"value": {"reason": "seams"}}) for role in _ROLES}
    assert {role: status // 100 for role, status in seen.items()} == {"viewer": 4, "user": 4, "op": 2, "admin": 2}
    assert (seen["viewer"], seen["user"]) == (403, 403)


def _status(airflow: LiveAirflow, method: str, path: str, role: str, body: Any) -> int:
    headers = {"Authorization": f"Bearer {airflow.token(role)}"}
    return requests.request(method, f"{airflow.url}/api/v2{path}", json=body, headers=headers, timeout=60).status_code
