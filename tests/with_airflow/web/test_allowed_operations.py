"""Who decides on a candidate sees what its spec allows besides computing."""

from __future__ import annotations

import orjson

from tests.support.full_world import CANDIDATE
from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import Clients


def test_the_page_of_a_candidate_shows_what_was_allowed(world: WebWorld, clients: Clients) -> None:
    page = f"/tendies/models/brush/candidates/{CANDIDATE}"
    path = world.base_path / ".exports" / CANDIDATE / "assets.extra" / "tendies.json"
    original = path.read_bytes()
    assert "more than computing" not in clients["admin"].get(page).text
    allowed = {
        "code": True,
        "allowed_operations": ["<b>ReadFile", "PyFunc"],
        "operations": {"<b>ReadFile": 3, "Add": 1},
    }
    path.write_bytes(orjson.dumps({**orjson.loads(original), "trust": allowed}))
    try:
        text = clients["admin"].get(page).text
    finally:
        path.write_bytes(original)
    assert "the Python code in the checkpoint was run" in text
    assert "&lt;b&gt;ReadFile" in text
    assert "3 times" in text
    assert "PyFunc" not in text
