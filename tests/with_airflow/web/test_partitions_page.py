"""The page of partitions, as each role sees it."""

from __future__ import annotations

import re

import pytest

from tests.support.partitioned import make_partition
from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import Clients

URL = "/tendies/models/daily/partitions"


@pytest.mark.usefixtures("world")
def test_each_cell_has_its_key_and_its_state_as_text_and_leads_to_its_run(world: WebWorld, clients: Clients) -> None:
    make_partition(world.root / "daily", "2026-11-24", run_id="nightly")

    text = clients["viewer"].get(URL).text

    (link,) = re.findall(r"<a class=\"cell is-ok\" aria-label=\"2026-11-24, done, 1 done, 0 failed\"[^>]*>", text)
    address = re.findall(r'href="([^"]+)"', link)[0]
    assert clients["viewer"].get(address).status_code == 200
    assert 'aria-label="2026-11-23, not made"' in text
    assert "data-open" not in text


def test_those_who_may_trigger_get_a_range_and_two_buttons(clients: Clients) -> None:
    text = clients["user"].get(URL).text
    assert re.findall(r'data-open="([\w-]+)"', text) == ["do-failed", "do-again"]
    assert text.count("tendies_batch_daily__again") == 2
    assert "only_failed" in text


@pytest.mark.parametrize("query", ["?batch=<script>", "?batch=night"])
def test_a_batch_that_is_not_there_is_not_found(clients: Clients, query: str) -> None:
    answer = clients["viewer"].get(f"{URL}{query}")
    assert answer.status_code == 404
    assert "<script>" not in answer.text


@pytest.mark.parametrize("query", ["?shown=7", "?earlier=-1", "?earlier=x"])
def test_numbers_that_the_page_has_not_are_refused(clients: Clients, query: str) -> None:
    assert clients["viewer"].get(f"{URL}{query}").status_code == 422


def test_earlier_months_are_a_link_away_and_before_the_first_there_is_nothing(clients: Clients) -> None:
    assert clients["viewer"].get(f"{URL}?earlier=9999").status_code == 200
