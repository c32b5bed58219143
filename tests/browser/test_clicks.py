"""How many clicks a user needs, counted in the browser: each story starts at Airflow's home or at the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.release import release_model
from tests.browser.conftest import Stage, in_frame
from tests.support.browser import Browsers, Clicks
from tests.support.candidates import make_candidate
from tests.support.watching_server import WatchingServer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

MODEL = "clicked"


@dataclass
class Clicked:
    """A model with a released version."""

    stage: Stage
    server: WatchingServer
    base_path: Path

    def runs(self, kind: str) -> list[dict[str, Any]]:
        return self.stage.airflow.runs(f"tendies_{kind}_{MODEL}")


@pytest.fixture(scope="module")
def model(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clicked]:
    root = tmp_path_factory.mktemp("clicked")
    base_path = root / "models"
    base_path.mkdir()
    with WatchingServer(base_path, model_name=MODEL) as server:
        release_model(make_candidate(root / "first", by=10, model_name=MODEL), base_path, [server.url])
        yield Clicked(stage, server, base_path)


def test_a_model_is_added_without_a_click_and_without_a_restart(model: Clicked, browsers: Browsers) -> None:
    model.stage.airflow.add_spec(
        {
            "model_name": MODEL,
            "source": {"checkpoint": str(model.base_path / "no-checkpoint")},
            "release": {"model_base_path": str(model.base_path), "servers": [model.server.url]},
            "airflow": {"retries": 0, "rehearse": False},
        }
    )
    for kind in ("release", "rollback"):
        model.stage.airflow.wait_for_dag(f"tendies_{kind}_{MODEL}")
    page = browsers.page("op")
    page.goto(browsers.framed("models"))
    in_frame(page).get_by_role("link", name=MODEL, exact=True).first.wait_for()
    page.context.close()


def test_a_release_takes_four_clicks_and_its_failure_one_more_to_the_reason(model: Clicked, browsers: Browsers) -> None:
    page = browsers.page("op")
    clicks = Clicks(page)
    page.goto(model.stage.airflow.url)
    page.get_by_role("link", name="Models").click()
    frame = in_frame(page)
    frame.get_by_role("link", name=MODEL, exact=True).first.click()
    frame.get_by_role("button", name="Release", exact=True).click()
    frame.locator("dialog[open] button[type=submit]").click()
    frame.locator("dialog[open] [data-outcome]").get_by_text("There is no checkpoint").wait_for(timeout=120_000)
    assert clicks.number == 4
    (run,) = model.runs("release")
    assert run["state"] == "failed"
    assert model.server.serving() == [1]

    page.goto(browsers.framed(f"models/{MODEL}"))
    frame.get_by_role("link", name="A release failed").first.click()
    frame.get_by_text("There is no checkpoint").first.wait_for()
    assert clicks.number == 5
    page.context.close()
