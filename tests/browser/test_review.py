"""A release that a user decides on: real exports, a real server, a real Airflow, and the answer clicked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tendies_ops.publish.history import read_history
from tendies_ops.spec import load_spec
from tests.browser.conftest import Stage
from tests.support.airflow_home import REPOSITORY
from tests.support.browser import Browsers, Clicks
from tests.support.model_server import RunningServer, start_model_server

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

MODEL = "reviewed_stripes"
DAG = f"tendies_release_{MODEL}"


@dataclass
class Reviewed:
    """A model whose releases a user approves."""

    stage: Stage
    server: RunningServer
    base_path: Path

    def write_spec(self, *, color_order: str, rehearse: bool) -> None:
        """Another colour order makes another model, and pictures that anybody can tell apart."""
        example = load_spec(REPOSITORY / "examples" / "models" / "noise_to_stripes.yaml")
        spec = example.model_dump(mode="json", include={"source", "contract"}, exclude_unset=True)
        spec["contract"]["output"]["color_order"] = color_order
        spec |= {
            "model_name": MODEL,
            "description": f"Stripes, {color_order}",
            "release": {
                "model_base_path": str(self.base_path),
                "servers": [self.server.url],
                "gate": {"review": True},
            },
            "airflow": {"retry_delay_s": 1, "rehearse": rehearse},
        }
        airflow = self.stage.airflow
        if not (airflow.home / "specs" / f"{MODEL}.yaml").exists():
            airflow.add_spec(spec)
        else:
            (airflow.home / "specs" / f"{MODEL}.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
        airflow.wait("the DAG to be the spec's", lambda: spec["description"] in self._doc())
        airflow.wait_for_dag(DAG)

    def _doc(self) -> str:
        return str(self.stage.airflow.call("GET", f"/dags/{DAG}/details")["doc_md"])

    def wait_for_the_question(self, run_id: str) -> None:
        airflow = self.stage.airflow
        try:
            airflow.wait_for_task(DAG, run_id, "approve", "awaiting_input", timeout_s=300)
        except AssertionError:
            logs = [airflow.task_log(DAG, run_id, task) for task in ("export", "review")]
            raise AssertionError("\n".join(logs)) from None

    def states(self, run_id: str) -> dict[str, str]:
        found = self.stage.airflow.call("GET", f"/dags/{DAG}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def serving(self) -> list[int]:
        from tendies_ops.client import ModelServerClient

        with ModelServerClient(self.server.url) as client:
            return [status.version for status in client.version_statuses(MODEL).values() if status.state == "AVAILABLE"]


@pytest.fixture(scope="module")
def reviewed(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    base_path = tmp_path_factory.mktemp("reviewed") / "models"
    base_path.mkdir()
    flags = (f"--model_name={MODEL}", f"--model_base_path={base_path}", "--file_system_poll_wait_seconds=0.2")
    with start_model_server(*flags, wait=False) as server:
        yield Reviewed(stage, server, base_path)


def shown(pictures: Any) -> list[bool]:
    """Whether each picture has really arrived."""
    return [picture.evaluate("i => i.complete && i.naturalWidth > 0") for picture in pictures.all()]


def test_a_first_release_started_and_approved_by_clicking_serves(reviewed: Reviewed, browsers: Browsers) -> None:
    reviewed.write_spec(color_order="bgr", rehearse=False)
    page = browsers.page("user")
    page.goto(browsers.framed(f"models/{MODEL}"))
    frame = page.frame_locator("iframe")
    frame.get_by_role("button", name="Release").click()
    frame.get_by_label("Why").last.fill("the first one")
    frame.locator("dialog[open] button[type=submit]").click()
    frame.get_by_text(re.compile("Queued|Now: exporting")).wait_for()
    (run,) = reviewed.stage.airflow.runs(DAG)
    assert run["conf"] == {"note": "the first one"}
    assert run["triggering_user_name"] == "user"
    run_id = run["dag_run_id"]
    reviewed.wait_for_the_question(run_id)

    page.goto(browsers.framed(f"models/{MODEL}"))
    frame.get_by_role("button", name="Approve").click()
    frame.get_by_text("Serving version 1").first.wait_for(timeout=120_000)

    assert reviewed.states(run_id) == dict.fromkeys(("export", "review", "approve", "release"), "success")
    assert reviewed.serving() == [1]
    assert read_history(reviewed.base_path)[-1].reason == "the first one; approved by user"
    page.context.close()


def test_a_rejected_candidate_is_withdrawn_and_what_served_serves(reviewed: Reviewed, browsers: Browsers) -> None:
    reviewed.write_spec(color_order="rgb", rehearse=True)
    run_id = reviewed.stage.airflow.trigger(DAG, {"note": "red and blue the other way round"})
    reviewed.wait_for_the_question(run_id)

    page = open_the_question(reviewed, browsers, run_id)
    frame = page.frame_locator("iframe")
    clicks = Clicks(page)
    page.reload()
    reject(reviewed, browsers, page, run_id, why="the sea must stay blue")
    assert clicks.number == 2, "one asks for a reason, one rejects"

    assert reviewed.states(run_id) == {
        "export": "success",
        "review": "success",
        "approve": "success",
        "release": "skipped",
    }
    assert reviewed.serving() == [1]
    last = read_history(reviewed.base_path)[-1]
    assert (last.event, last.reason) == ("rejected", "rejected by user: the sea must stay blue")
    assert len(list((reviewed.base_path / ".exports").glob("*.rejected"))) == 1

    page.goto(browsers.framed(f"models/{MODEL}"))
    frame.get_by_text("rejected by user: the sea must stay blue").first.wait_for()
    browsers.keep(page, "rejected")
    frame.get_by_role("link", name="A candidate was rejected").click()
    frame.get_by_text("It was rejected; nothing was changed.").wait_for()
    page.context.close()


def open_the_question(reviewed: Reviewed, browsers: Browsers, run_id: str) -> Any:
    """From Airflow's own approval, which shows the pictures, to the page with the large ones."""
    page = browsers.page("user")
    page.goto(f"{reviewed.stage.airflow.url}/dags/{DAG}/runs/{run_id}/tasks/approve/required_actions")
    page.get_by_text("Version 1 serves now.").wait_for()
    pictures = page.locator("img[alt='live'], img[alt='candidate']")
    pictures.first.wait_for()
    page.wait_for_timeout(1000)
    assert len(shown(pictures)) >= 2
    assert all(shown(pictures)), "the pictures themselves are in Airflow's own approval"
    browsers.keep(page, "approval-in-airflow")
    with page.context.expect_page() as opened:  # Airflow opens what its texts link to in a tab of its own
        page.get_by_role("link", name="See the pictures large").click()
    return opened.value


def reject(reviewed: Reviewed, browsers: Browsers, page: Any, run_id: str, *, why: str) -> None:
    """A rejection needs a reason, and then one press."""
    frame = page.frame_locator("iframe")
    frame.locator(".compare.slider").first.wait_for()
    assert all(shown(frame.locator(".compare img")))
    frame.get_by_role("button", name="Reject").click()
    task = reviewed.stage.airflow.task(DAG, run_id, "approve")
    assert task["state"] == "awaiting_input", "a rejection needs a reason"
    frame.get_by_label("Reason").fill(why)
    browsers.keep(page, "approval")
    frame.get_by_role("button", name="Reject").click()
    frame.get_by_text("Rejected").first.wait_for(timeout=120_000)
    assert reviewed.stage.airflow.wait_for_run(DAG, run_id) == "success"


def test_a_candidate_next_to_the_live_version_is_approved_and_serves(reviewed: Reviewed, browsers: Browsers) -> None:
    reviewed.write_spec(color_order="rgb", rehearse=False)
    run_id = reviewed.stage.airflow.trigger(DAG)
    reviewed.wait_for_the_question(run_id)

    viewer = browsers.page("viewer")
    viewer.goto(browsers.own(f"models/{MODEL}"))
    viewer.get_by_role("heading", name="Replicas").wait_for()
    assert viewer.get_by_role("button", name=re.compile("Approve|Reject|Release|Batch|Roll back")).count() == 0
    viewer.context.close()

    page = browsers.page("op", "dark")
    clicks = Clicks(page)
    page.goto(browsers.framed("models"))
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name=MODEL, exact=True).first.click()
    frame.locator("[data-approvals] .compare.slider").first.wait_for()
    frame.get_by_label("Reason").fill("the sea is blue again")
    frame.get_by_role("button", name="Approve").click()
    frame.get_by_text("Serving version 2").first.wait_for(timeout=120_000)
    assert clicks.number == 2

    assert set(reviewed.states(run_id).values()) == {"success"}
    assert reviewed.serving() == [2]
    assert read_history(reviewed.base_path)[-1].reason == "approved by op: the sea is blue again"
    page.context.close()
