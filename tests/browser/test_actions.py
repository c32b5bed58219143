"""Buttons pressed: each asks first, shows the DAG run that it made, and that run is real. Viewers have none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.conftest import MODEL, Stage, in_frame, run_path
from tests.support.browser import Browsers
from tests.support.candidates import picture
from tests.support.scenes import png, scene

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SHARDED = "sharded_stripes"


@pytest.mark.slow
def test_a_retry_that_cannot_help_is_not_offered_and_a_batch_does_what_was_repaired(
    stage: Stage, browsers: Browsers
) -> None:
    page = browsers.page("user")
    page.goto(browsers.framed(f"{run_path(stage)}?outcome=failed"))
    frame = in_frame(page)
    frame.get_by_text("A retry cannot help until the files are replaced.").wait_for()
    assert frame.get_by_role("button", name=re.compile("Retry")).count() == 0

    (stage.input / "broken" / "cut-0.png").write_bytes(png(scene(900)))
    before = len(stage.airflow.runs(stage.batch_dag))
    page.goto(browsers.framed(f"models/{MODEL}"))
    frame.get_by_role("button", name="Batch", exact=True).click()
    frame.get_by_label("Retry previously failed pictures").check()
    frame.get_by_role("button", name="Run the batch").click()
    frame.get_by_text("Done.", exact=True).wait_for(timeout=90_000)
    runs = stage.airflow.runs(stage.batch_dag)
    assert len(runs) == before + 1
    assert runs[-1]["conf"] == {"input": str(stage.input), "output": str(stage.output), "retry_failed": True}
    assert runs[-1]["triggering_user_name"] == "user"
    summary = stage.airflow.xcom(stage.batch_dag, runs[-1]["dag_run_id"], "infer")
    assert (summary["done"], summary["failed"]) == (1, 4)

    frame.get_by_role("link", name="Watch the pictures").click()
    frame.get_by_text("broken/cut-0.png").first.wait_for()
    page.context.close()


def test_a_dialog_that_is_closed_does_nothing(stage: Stage, browsers: Browsers) -> None:
    before = {kind: len(stage.airflow.runs(f"tendies_{kind}_{MODEL}")) for kind in ("batch", "release", "rollback")}
    page = browsers.page("op")
    page.goto(browsers.framed(f"models/{MODEL}"))
    frame = in_frame(page)
    frame.get_by_role("button", name="Batch", exact=True).wait_for()
    names = frame.locator("button[data-open]").all_text_contents()  # without a version below there is no Roll back
    assert {"Batch", "Release"} <= set(names) <= {"Batch", "Release", "Roll back"}
    for name in names:
        frame.get_by_role("button", name=name, exact=True).click()
        frame.locator("dialog[open]").wait_for()
        frame.locator("dialog[open]").get_by_role("button", name="Close").click()
        frame.locator("dialog[open]").wait_for(state="hidden")
    after = {kind: len(stage.airflow.runs(f"tendies_{kind}_{MODEL}")) for kind in ("batch", "release", "rollback")}
    assert after == before
    page.context.close()


def test_a_viewer_has_no_buttons_and_airflow_refuses_what_they_would_do(stage: Stage, browsers: Browsers) -> None:
    page = browsers.page("viewer")
    for path in (f"models/{MODEL}", f"{run_path(stage)}?outcome=failed"):
        page.goto(browsers.own(path))
        names = page.get_by_role("button").all_inner_texts()
        assert set(names) <= {"Search", "Show"}, names
    refused = page.evaluate(
        """async ([batch, release]) => {
            const ask = (path, body) => fetch(`/api/v2/${path}`, {
                method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
            return [
                (await ask(`dags/${batch}/dagRuns`, {logical_date: null, conf: {}})).status,
                (await ask(`dags/${release}/dagRuns`, {logical_date: null, conf: {}})).status,
                (await ask("assets/events", {asset_id: 1, extra: {}})).status,
            ];
        }""",
        [stage.batch_dag, f"tendies_release_{MODEL}"],
    )
    assert refused == [403, 403, 403]
    page.context.close()


@pytest.fixture
def sharded_run(stage: Stage) -> Iterator[str]:
    """A batch that is big enough for three shards, under way; its DAG run."""
    folder = stage.input.parent / "many-pictures"
    folder.mkdir()
    file = picture(1)
    for number in range(1100):
        (folder / f"{number:04d}.png").write_bytes(file)
    stage.airflow.add_spec(
        {
            "model_name": SHARDED,
            "source": {"checkpoint": "none"},
            "release": {"model_base_path": str(stage.base_path), "servers": [stage.server.url]},
            "batch": {"input": str(folder), "output": str(stage.input.parent / "many-results"), "max_batch_size": 4},
            "airflow": {"retries": 3, "retry_delay_s": 1, "shards": 3},
        }
    )
    dag_id = f"tendies_batch_{SHARDED}"
    stage.airflow.wait_for_dag(dag_id)
    stage.server.model_name = SHARDED
    with stage.server.slow(0.5):
        yield stage.airflow.trigger(dag_id)
    stage.server.model_name = MODEL


@pytest.mark.slow
def test_shards_move_one_by_one_and_as_a_sum_without_reloading(
    stage: Stage, sharded_run: str, browsers: Browsers
) -> None:
    dag_id = f"tendies_batch_{SHARDED}"
    page = browsers.page("viewer")
    page.goto(f"{stage.airflow.url}/dags/{dag_id}/runs/{sharded_run}/plugin/tendies_run")
    frame = in_frame(page)
    frame.get_by_role("heading", name="Shards").wait_for(timeout=120_000)
    done = frame.locator(".legend li").first
    seen: set[int] = set()
    rows = 0
    for number in range(150):
        seen.add(number_in(done))
        rows = max(rows, frame.locator("tbody tr").count())
        if number == 30:
            browsers.keep(page, "shards")
        if len(seen) >= 3 and rows == 3:
            break
        page.wait_for_timeout(400)
    assert len(seen) >= 3, f"the sum moved by itself: {seen}"
    assert stage.airflow.wait_for_run(dag_id, sharded_run) == "success"
    frame.get_by_role("link", name="All its pictures").wait_for(timeout=60_000)
    assert number_in(done) == 1100
    assert frame.locator("tbody tr").count() == 3
    browsers.keep(page, "shards-ended")
    frame.get_by_role("link", name="All its pictures").click()
    frame.get_by_text("1 to 48 of 1,100").wait_for()
    page.context.close()


def number_in(place: Any) -> int:
    return int(place.inner_text().split()[0].replace(",", ""))
