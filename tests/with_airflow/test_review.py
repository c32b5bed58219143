"""A candidate before a user: what the person gets to see, and what a yes and a no do."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.review import ApproveReleaseOperator, ReviewModelVersionOperator
from tendies_ops.publish.history import read_history
from tendies_ops.spec import ReleaseSpec
from tendies_ops.spec.release_spec import GateSpec
from tests.support.airflow_runs import run_task
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.watching_server import WatchingServer


def review(candidate: Path, **arguments: Any) -> ReviewModelVersionOperator:
    return ReviewModelVersionOperator(task_id="review", saved_model_dir=str(candidate), rehearse=False, **arguments)


@pytest.fixture
def candidate(server: WatchingServer, server_connection: str, tmp_path: Path) -> Path:
    """Version 1 serves, and the next waits among the exports."""
    make_candidate(tmp_path / "live", by=10).rename(server.base / "1")
    server.wait_until_serving(1)
    return make_candidate(server.base / ".exports" / "release.today", by=30)


def test_a_review_compares_with_what_serves_and_changes_nothing(candidate: Path, server: WatchingServer) -> None:
    ti = run_task("review_one", lambda: review(candidate, note="less noise"))

    found = ti.xcom_pull(task_ids="review")
    assert (found["live_version"], set(found["images"]), found["breaches"]) == (1, {"0", "1"}, [])
    assert server.serving() == [1]
    assert server.loads == [1]
    assert json.dumps(found)
    text = found["markdown"]
    assert "Version 1 serves now." in text
    assert "`less noise`" in text
    page = f"models/{MODEL_NAME}/candidates/release.today"
    assert f"(/plugin/tendies/tendies/{page})" in text
    assert set(re.findall(r"!\[\w+\]\(([^)]+)\)", text)) == {
        f"/tendies/{page}/{picture}" for picture in ("live/0", "live/1", "golden/0/after", "golden/1/after")
    }


@pytest.mark.usefixtures("server_connection")
def test_a_first_release_shows_before_and_after(server: WatchingServer, tmp_path: Path) -> None:
    candidate = make_candidate(server.base / ".exports" / "first", by=30)

    ti = run_task("review_first", lambda: review(candidate))

    text = ti.xcom_pull(task_ids="review")["markdown"]
    assert "No version serves" in text
    assert f"/tendies/models/{MODEL_NAME}/candidates/first/golden/0/before" in text
    assert "/live/" not in text


def test_words_of_others_make_no_links_in_what_the_person_reads(candidate: Path) -> None:
    note = "see [this](https://evil.example) `![x](https://evil.example/x.png)`\n\n# Approved"

    ti = run_task("review_hostile", lambda: review(candidate, note=note))

    text = ti.xcom_pull(task_ids="review")["markdown"]
    outside_of_code = re.sub(r"`[^`\n]*`", "", text)
    assert "evil" not in outside_of_code
    assert "# Approved" not in outside_of_code


def test_no_one_is_asked_about_a_candidate_that_the_gate_would_stop(candidate: Path) -> None:
    strict = ReleaseSpec(gate=GateSpec(max_change=5.0, review=True))

    ti = run_task("review_strict", lambda: review(candidate, options=strict, retries=2))

    assert ti.state == "failed"


def answered(option: str, reason: str) -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": {"reason": reason},
        "responded_at": datetime.now(timezone.utc),
        "responded_by_user": {"id": "7", "name": "Ada"},
    }


class AlreadyAnswered(ApproveReleaseOperator):
    """Resumes at once, as Airflow resumes it when someone has answered."""

    answer: dict[str, Any]

    def execute(self, context: Any) -> Any:
        return self.execute_complete(context, self.answer)


def decide(candidate: Path, server: WatchingServer, option: str, reason: str = "") -> Any:
    from tests.support.airflow_home import run_dag

    with DAG(f"decide_{option}") as dag:
        approve = AlreadyAnswered(
            task_id="approve", subject="?", saved_model_dir=str(candidate), model_base_path=str(server.base)
        )
        approve.answer = answered(option, reason)
        release = ReleaseModelVersionOperator(
            task_id="release",
            saved_model_dir=str(candidate),
            options=ReleaseSpec(gate=GateSpec(review=True)),
            approved_by="Ada",
            rehearse=False,
        )
        approve >> release
    return run_dag(dag)


def test_after_a_no_the_candidate_is_withdrawn_and_the_release_skipped(candidate: Path, server: WatchingServer) -> None:
    run = decide(candidate, server, "Reject", "too pale at the coast")

    assert {ti.task_id: ti.state for ti in run.get_task_instances()} == {"approve": "success", "release": "skipped"}
    assert not candidate.exists()
    assert candidate.with_name("release.today.rejected").is_dir()
    last = read_history(server.base)[-1]
    assert (last.event, last.reason) == ("rejected", "rejected by Ada: too pale at the coast")
    assert server.serving() == [1]


def test_after_a_yes_it_is_released(candidate: Path, server: WatchingServer) -> None:
    run = decide(candidate, server, "Approve")

    assert {ti.task_id: ti.state for ti in run.get_task_instances()} == {"approve": "success", "release": "success"}
    server.wait_until_serving(2)
    assert read_history(server.base)[-1].reason == "approved by Ada"
