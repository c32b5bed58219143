"""Every route against every role. The table in docs/reference/web.md is made from ROUTES and compared with it here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.full_world import ROUTES, RUN, statuses
from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import ROLES, Clients

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


def test_the_table_names_every_route_there_is(airflow_app: Any) -> None:
    assert set(_paths(airflow_app.state.pages.routes)) == set(ROUTES)


def _paths(routes: Any) -> list[str]:
    found = []
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if hasattr(route, "path"):
            found.append(route.path)
        elif inner is not None:
            found += _paths(inner.routes)
        else:
            raise AssertionError(f"what is {route!r}?")
    return found


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_answers_whoever_is_logged_in_and_no_one_else(route: str, clients: Clients) -> None:
    seen = {role: clients[role].get(f"/tendies{ROUTES[route][0]}").status_code for role in ROLES}
    assert seen == statuses(route)


def test_a_role_that_may_read_no_dag_sees_no_model(clients: Clients) -> None:
    for role in ("public", "stripes") if clients.uses_fab else ():  # the simple auth manager has no such role
        for route, (address, _) in ROUTES.items():
            answer = clients[role].get(f"/tendies{address}")
            of_the_model = "{model_name}" in route
            assert answer.status_code == (404 if of_the_model else ROUTES[route][1]), (role, route)
            assert RUN not in answer.text, (role, route)
            assert "thick brush strokes" not in answer.text, (role, route)
        seen = clients[role].get("/tendies/models/stripes").status_code
        assert seen == (200 if role == "stripes" else 404)


def test_problems_of_specs_are_reported_to_those_who_may_see_import_errors(world: WebWorld, clients: Clients) -> None:
    index = world.specs_dir / "index.txt"
    kept = index.read_text()
    index.write_text(f"{kept}no-such-spec.yaml\n")
    try:
        for role in ("viewer", "user", "op", "admin"):
            assert "no-such-spec" in clients[role].get("/tendies/models").text
        for role in ("public", "stripes") if clients.uses_fab else ():
            assert "no-such-spec" not in clients[role].get("/tendies/models").text
    finally:
        index.write_text(kept)


def test_the_same_rights_hold_under_the_auth_manager_of_fab(request: pytest.FixtureRequest) -> None:
    """Every other test of this file, in a process whose Airflow has that auth manager: a process has one."""
    if os.environ.get("AIRFLOW__CORE__AUTH_MANAGER") == FAB:
        return
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", __file__]
    environment = {**os.environ, "AIRFLOW__CORE__AUTH_MANAGER": FAB}
    ended = subprocess.run(  # its output tells what failed
        command, check=False, env=environment, cwd=request.config.rootpath, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout[-8000:]
    assert " passed" in ended.stdout


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("role", ["anonymous", "admin"])
def test_no_route_takes_a_method_that_could_change_something(method: str, role: str, clients: Clients) -> None:
    headers = {"Origin": "https://evil.example"}
    for route, (address, _) in ROUTES.items():
        answer = clients[role].request(method, f"/tendies{address}", headers=headers)
        a_try = method == "POST" and route.endswith("/try")
        assert answer.status_code == (403 if a_try else 405), "a try is posted, and not from another site"


def test_the_documented_table_is_what_is_tested() -> None:
    text = (Path(__file__).parents[3] / "docs" / "reference" / "web.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(/[^`]*)` \| 401 \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    found = {row[0]: dict(zip(ROLES[1:], map(int, row[1:]), strict=True)) for row in rows}
    assert found == {route: {role: statuses(route)[role] for role in ROLES[1:]} for route in ROUTES}


def test_an_expired_or_forged_cookie_is_no_one(airflow_app: Any) -> None:
    client = TestClient(airflow_app, cookies={"_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."})
    assert client.get("/tendies/models").status_code in {401, 403}


def test_a_browser_that_is_not_logged_in_gets_a_page_that_says_so(clients: Clients) -> None:
    answer = clients["anonymous"].get("/tendies/models", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "You are not logged in" in answer.text
    assert "brush" not in answer.text


def test_the_documentation_that_fastapi_makes_is_off(clients: Clients) -> None:
    for path in ("docs", "redoc", "openapi.json", "docs/oauth2-redirect"):
        assert clients["admin"].get(f"/tendies/{path}").status_code == 404


@pytest.mark.parametrize(
    ("role", "buttons"),
    [
        ("viewer", set()),
        ("user", {"do-batch", "do-release"}),
        ("op", {"do-batch", "do-release", "do-rollback"}),
        ("admin", {"do-batch", "do-release", "do-rollback"}),
    ],
)
def test_each_role_gets_the_buttons_that_airflow_would_let_it_use(
    role: str, buttons: set[str], clients: Clients, serving_two: None
) -> None:
    text = clients[role].get("/tendies/models/brush").text
    assert {name for name in ("do-batch", "do-release", "do-rollback") if f'data-open="{name}"' in text} == buttons


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_only_who_gets_the_button_may_write_a_request_to_roll_back(method: str, clients: Clients) -> None:
    """Posting the event is a right of User under FAB; the request that it must name is not."""
    address, value = f"/api/v2/assets/{10**6}/state-store/rollback_request/name", {"value": {"reason": "seams"}}
    body = value if method == "PUT" else None
    seen = {role: clients[role].request(method, address, json=body).status_code for role in ROLES}
    assert seen == {"anonymous": 401, "viewer": 403, "user": 403, "op": 404, "admin": 404}  # there is no such asset


@pytest.mark.parametrize(("role", "may_retry"), [("viewer", False), ("user", True)])
def test_only_who_may_trigger_can_retry(role: str, may_retry: bool, clients: Clients, run_url: str) -> None:
    assert ("do-retry" in clients[role].get(run_url).text) is may_retry


def test_a_model_whose_dags_are_not_for_you_is_not_there(
    clients: Clients, run_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi.app import get_auth_manager

    def only_stripes(*, details: Any, **_: Any) -> bool:
        return "stripes" in (details.id or "")

    monkeypatch.setattr(get_auth_manager(), "is_authorized_dag", only_stripes)
    viewer = clients["viewer"]
    assert "brush" not in viewer.get("/tendies/models").text.replace("brush strokes", "")
    assert "stripes" in viewer.get("/tendies/models").text
    assert "walk-" not in viewer.get("/tendies/pictures?q=walk").text
    assert RUN not in viewer.get("/tendies/runs").text
    for address in ("/models/brush", "/models/brush/versions/2", "/models/brush/versions/2/golden/0/after"):
        assert viewer.get(f"/tendies{address}").status_code == 404
    for suffix in ("", "/pictures/1", "/pictures/1/after", "/ledger.jsonl", "/report.json", "/pictures.zip"):
        assert viewer.get(run_url + suffix).status_code == 404


def test_every_answer_keeps_the_browser_on_a_short_lead(clients: Clients) -> None:
    for role in ("anonymous", "viewer"):
        for address, _ in ROUTES.values():
            headers = clients[role].get(f"/tendies{address}").headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "SAMEORIGIN"
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy


def test_pages_name_no_other_host_and_hold_nothing_that_the_policy_would_stop(clients: Clients) -> None:
    for address, _ in ROUTES.values():
        answer = clients["admin"].get(f"/tendies{address}")
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        assert not re.search(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//""", answer.text), address
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son[a-z]+=|\sstyle=|javascript:", answer.text), address
