"""A user in front of Airflow: what each page shows, what each role may press, and what comes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tendies_ops.publish.history import read_history
from tests.browser.conftest import MODEL, Stage, in_frame, run_path
from tests.support.browser import Browsers, Clicks

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def pages(stage: Stage) -> dict[str, str | re.Pattern[str]]:
    """Every page -> what it says."""
    run = run_path(stage)
    return {
        "models": "Sort by",
        f"models/{MODEL}": "Replicas",
        f"models/{MODEL}/releases/2": "Way back",
        "releases": re.compile(r"\b\d+ releases\b"),  # other tests release on this Airflow as well
        f"models/{MODEL}/versions/2": "Made from",
        f"models/{MODEL}/compare?a=1&b=2": "What differs",
        "runs": re.compile(r"\b\d+ runs?\b"),
        run: "skipped, unchanged",
        f"{run}?outcome=failed": "Damaged",
        f"{run}/pictures/1": "In the ledger",
        "pictures?q=walk-0003": "walk-0003",
        f"airflow/run?dag_id={stage.batch_dag}&run_id=none": "has not begun",
    }


@pytest.fixture
def run_under_way(stage: Stage) -> Iterator[str]:
    """A batch that lasts as long as the test; its DAG run."""
    stage.add_pictures(1000, 400)
    with stage.server.slow(5.0):
        run_id = stage.airflow.trigger(stage.batch_dag)
        stage.airflow.wait_for_task(stage.batch_dag, run_id, "infer", "running")
        yield run_id
    assert stage.airflow.wait_for_run(stage.batch_dag, run_id) == "success"


def test_every_page_opens_in_airflow_for_every_role_in_light_and_dark_while_a_batch_runs(
    stage: Stage, run_under_way: str, browsers: Browsers
) -> None:
    for role in ("viewer", "user", "op"):
        page = browsers.page(role)
        page.goto(f"{stage.airflow.url}/dags/{stage.batch_dag}/runs/{run_under_way}/plugin/tendies_run")
        in_frame(page).get_by_text("Running", exact=True).first.wait_for()
        keep_light_and_dark(browsers, page, f"{role}-running")
        page.goto(browsers.framed("models"))
        in_frame(page).get_by_text("Sort by").wait_for()
        (frame,) = (frame for frame in page.frames if frame.url == browsers.own("models"))
        for number, (path, words) in enumerate(pages(stage).items()):
            frame.goto(browsers.own(path))
            frame.get_by_text(words).first.wait_for()
            keep_light_and_dark(browsers, page, f"{role}-{number}")
        page.context.close()


def keep_light_and_dark(browsers: Browsers, page: Any, name: str) -> None:
    """As Airflow's theme changes, our page's does."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        in_frame(page).locator("html.dark" if theme == "dark" else "html:not(.dark)").wait_for()
        scheme = in_frame(page).locator("html").evaluate("e => getComputedStyle(e).colorScheme")
        assert scheme == theme, name
        browsers.keep(page, f"{name}-{theme}")


def test_pages_fit_a_phone(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer", width=390, height=844)
    for number, path in enumerate(
        ("models", f"models/{MODEL}", "runs", run_path(stage), f"{run_path(stage)}/pictures/1")
    ):
        page.goto(browsers.own(path))
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        browsers.keep(page, f"phone-{number}")
    page.context.close()


def test_without_scripts_pages_still_show_their_data(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer", scripts=False)
    for path, words in pages(stage).items():
        page.goto(browsers.own(path))
        assert page.get_by_text(words).first.is_visible(), path
    page.goto(browsers.own(f"models/{MODEL}"))
    assert "Model Server: AVAILABLE" in page.content() or "Serving version 2" in page.content()
    page.goto(browsers.own(f"{run_path(stage)}?outcome=failed"))
    assert page.locator(".shot").count() == 5
    page.goto(browsers.own(f"{run_path(stage)}?outcome=done"))
    page.locator(".shot").first.click()
    pictures = page.locator(".stage img")
    boxes = [pictures.nth(number).bounding_box() for number in (0, 1)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 1, "before and after lie side by side"
    browsers.keep(page, "no-script")
    page.context.close()


def test_the_slider_moves_by_keyboard_and_arrows_walk_through_the_gallery(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.goto(browsers.own(f"{run_path(stage)}?outcome=done"))
    page.locator(".shot").nth(1).click()
    page.wait_for_url(re.compile(r"/pictures/\d+"))
    first = page.url
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.locator(".stage").evaluate("e => e.style.getPropertyValue('--at')") == "60%"
    slider.blur()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: "/pictures/" in url and url != first)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(first)
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "/pictures/" not in url)
    page.context.close()


def test_a_user_starts_a_batch_and_watches_it_without_reloading(stage: Stage, browsers: Browsers) -> None:
    stage.add_pictures(2000, 240)
    page = browsers.page("user")
    page.goto(browsers.framed(f"models/{MODEL}"))
    frame = in_frame(page)
    frame.get_by_role("button", name="Batch", exact=True).click()
    browsers.keep(page, "batch-dialog")
    with stage.server.slow(1.0):
        frame.get_by_role("button", name="Run the batch").click()
        frame.get_by_role("link", name="Watch the pictures").wait_for()
        run_id = stage.airflow.runs(stage.batch_dag)[-1]["dag_run_id"]
        page.goto(f"{stage.airflow.url}/dags/{stage.batch_dag}/runs/{run_id}/plugin/tendies_run")
        frame.get_by_text("Running", exact=True).first.wait_for(timeout=60_000)
        seen = three_counts(page, frame.locator(".legend li").first)
    browsers.keep(page, "running")
    assert len(seen) >= 3, f"the counts moved by themselves: {seen}"
    ended = frame.get_by_text("Some failed", exact=True).or_(frame.get_by_text("Done", exact=True))
    ended.first.wait_for(timeout=60_000)
    assert stage.airflow.wait_for_run(stage.batch_dag, run_id) == "success"
    page.context.close()


def three_counts(page: Any, place: Any) -> set[str]:
    """The numbers that are shown there, one after the other; fewer if they stand still for long."""
    seen = {place.inner_text()}
    for _ in range(150):
        page.wait_for_timeout(200)
        seen.add(place.inner_text())
        if len(seen) >= 3:
            break
    return seen


def test_a_task_links_to_its_pictures(stage: Stage, browsers: Browsers) -> None:
    links = stage.airflow.call("GET", f"/dags/{stage.batch_dag}/dagRuns/{stage.first_run}/taskInstances/infer/links")
    page = browsers.page("viewer")
    page.goto(stage.airflow.url + links["extra_links"]["tendies"])
    in_frame(page).get_by_text("coast/walk-0000.jpg").wait_for()
    page.goto(f"{stage.airflow.url}/dags/{stage.batch_dag}/runs/{stage.first_run}/tasks/infer/plugin/tendies_task")
    in_frame(page).get_by_text("coast/walk-0000.jpg").wait_for()
    browsers.keep(page, "task-tab")
    page.context.close()


def test_which_version_made_this_picture_takes_one_search(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.goto(browsers.own("pictures"))
    page.get_by_role("searchbox").fill("walk-0007")
    page.keyboard.press("Enter")  # 1
    page.get_by_role("link", name=f"{MODEL}, version 2").first.click()  # 2
    page.get_by_role("heading", name=f"Version 2 of {MODEL}").wait_for()
    page.context.close()


def test_why_did_these_five_fail_takes_two_clicks(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    page.goto(browsers.own("models"))
    page.get_by_role("link", name="Runs").click()  # 1
    run = quote(run_path(stage).rpartition("/")[2], safe="")
    page.locator(f"td.num a[href*='{run}']").first.click()  # 2
    assert page.locator(".shot").count() == 5
    assert all("cut-" in name for name in page.locator(".shot .name").all_inner_texts())
    assert all(len(words) > 10 for words in page.locator(".shot .reason").all_inner_texts())
    page.context.close()


def test_an_operator_rolls_back_in_three_clicks_although_the_dag_is_paused_and_undoes_it_in_two(
    stage: Stage, browsers: Browsers
) -> None:
    stage.airflow.call("PATCH", f"/dags/tendies_rollback_{MODEL}", {"is_paused": True}, update_mask="is_paused")
    page = browsers.page("op")
    clicks = Clicks(page)
    page.goto(browsers.framed("models"))
    frame = in_frame(page)
    frame.get_by_role("link", name=MODEL, exact=True).click()
    frame.get_by_role("button", name="Roll back").click()
    frame.get_by_label("Why").last.fill("too bright for the coast")
    browsers.keep(page, "rollback-dialog")
    frame.get_by_role("button", name="Unpause and roll back").click()
    frame.get_by_text("Done: version 1 serves.").wait_for(timeout=90_000)
    assert clicks.number == 3
    assert stage.server.serving() == [1]
    assert (record := read_history(stage.base_path)[-1]).event == "rolled_back"
    assert (record.who, record.reason) == ("op", "too bright for the coast")
    frame.get_by_role("button", name="Close").last.click()
    frame.get_by_text("Serving version 1").first.wait_for()
    frame.get_by_text("too bright for the coast").first.wait_for()
    browsers.keep(page, "rolled-back")

    before = clicks.number
    frame.get_by_role("button", name="Serve again").click()
    frame.locator("dialog[open]").get_by_label("Why").fill("the rollback was a mistake")
    frame.get_by_role("button", name="Serve it again").click()
    frame.get_by_text("Done: version 3 serves.").wait_for(timeout=120_000)
    assert clicks.number - before == 2
    assert stage.server.serving() == [3]
    assert (record := read_history(stage.base_path)[-1]).event == "released"
    assert (record.who, record.reason) == ("op", "the rollback was a mistake")
    page.context.close()


def test_no_page_asked_another_host_and_no_script_complained(browsers: Browsers) -> None:
    assert browsers.hosts
    browsers.check_quiet()
