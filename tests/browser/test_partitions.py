"""The calendar of partitions in a browser: a range by mouse and by keyboard, a phone, and the run that comes of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.conftest import DAYS, Stage, in_frame
from tests.support.browser import Browsers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PATH = f"models/{DAYS}/partitions"


def fields(frame: Any) -> tuple[str, str]:
    dialog = frame.locator("dialog[open]")
    return dialog.get_by_label("First").input_value(), dialog.get_by_label("Last").input_value()


def test_a_range_that_is_clicked_is_what_the_dialog_asks_for(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("user")
    page.goto(browsers.own(PATH))
    page.locator("[data-key='2026-11-26']").click(modifiers=["Shift"])
    page.locator("[data-key='2026-11-24'] a").click(modifiers=["Shift"])

    assert page.locator(".chosen").count() == 3
    assert page.get_by_text("3 partitions chosen, 2026-11-24 to 2026-11-26.").count() == 1
    page.get_by_role("button", name="Only failed").click()
    assert fields(page) == ("2026-11-24", "2026-11-26")
    page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_calendar_and_its_dialogs_have_no_violation(stage: Stage, browsers: Browsers, theme: str) -> None:
    pytest.importorskip("axe_playwright_python.sync_playwright", reason="make setup-dev installs it")
    from tests.browser.test_accessibility import checked

    page = browsers.page("user", theme, bypass_policy=True)
    page.goto(browsers.own(PATH))
    assert checked(page) == []
    for name in ("Only failed", "Do again"):
        page.get_by_role("button", name=name).click()
        assert checked(page) == []
        page.locator("dialog[open]").get_by_role("button", name="Close").click()
    page.context.close()


def test_a_cell_leads_to_its_run_by_keyboard(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.goto(browsers.own(PATH))
    page.get_by_role("link", name="2026-11-24, done").press("Enter")
    page.wait_for_url("**/runs/days/r")
    assert page.get_by_role("button").filter(has_text="again").count() == 0
    page.context.close()


def test_the_calendar_fits_a_phone(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("user", width=360, height=740)
    page.goto(browsers.own(PATH))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.context.close()


@pytest.mark.slow
def test_the_button_starts_the_dag_with_the_range(stage: Stage, browsers: Browsers) -> None:
    dag_id = f"tendies_batch_{DAYS}__again"
    stage.airflow.wait_for_dag(dag_id)
    page = browsers.page("user")
    page.goto(browsers.framed(PATH))
    frame = in_frame(page)
    frame.get_by_role("button", name="Only failed").click()
    frame.locator("dialog[open]").get_by_label("First").fill("2026-11-24")
    frame.locator("dialog[open]").get_by_label("Last").fill("2026-11-25")
    frame.locator("dialog[open]").get_by_role("button", name="Retry what failed").click()
    frame.get_by_text("Done.", exact=True).wait_for(timeout=90_000)
    [run] = stage.airflow.runs(dag_id)
    assert run["conf"] == {"first": "2026-11-24", "last": "2026-11-25", "only_failed": True}
    page.context.close()
