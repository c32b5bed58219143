"""Metrics that tasks send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.observability import stats

from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.metrics import METRICS
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.spec import ReleaseSpec
from tests.support.airflow_runs import run_task
from tests.support.candidates import MODEL_NAME, make_candidate, picture
from tests.support.watching_server import WatchingServer

pytestmark = pytest.mark.usefixtures("server_connection")


@dataclass
class Recorder:
    """A metrics backend: Airflow calls it as it calls StatsD's."""

    sent: dict[str, tuple[float, dict[str, str]]] = field(default_factory=dict)

    def record(self, name: str, value: float, *_: Any, tags: dict[str, str] | None = None, **__: Any) -> None:
        if name.startswith("tendies."):
            self.sent[name] = (float(value or 1), tags or {})

    def incr(self, name: str, count: int = 1, *args: Any, **keywords: Any) -> None:
        self.record(name, count, **keywords)

    def gauge(self, name: str, value: float, *args: Any, **keywords: Any) -> None:
        self.record(name, value, **keywords)

    timing = gauge


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[float, dict[str, str]]]]:
    recorder = Recorder()
    for name in ("incr", "gauge", "timing"):
        monkeypatch.setattr(stats, name, getattr(recorder, name))
    yield recorder.sent
    assert set(recorder.sent) <= set(METRICS)


def run_batch(server: WatchingServer, tmp_path: Path) -> Any:
    make_candidate(tmp_path / "candidate").rename(server.base / "1")
    server.wait_until_serving(1)
    (tmp_path / "in").mkdir()
    for seed in range(3):
        (tmp_path / "in" / f"{seed}.png").write_bytes(picture(seed))
    (tmp_path / "in" / "broken.png").write_bytes(picture(9)[:40])
    return run_task(
        f"observed_{tmp_path.name}",
        lambda: BatchInferenceOperator(
            task_id="infer", input_path=str(tmp_path / "in"), output_path=str(tmp_path / "out"), model_name=MODEL_NAME
        ),
    )


def release(candidate: Path) -> Any:
    options = ReleaseSpec(available_timeout_s=20)
    return run_task(
        f"observed_{candidate.name}",
        lambda: ReleaseModelVersionOperator(
            task_id="release", saved_model_dir=str(candidate), options=options, rehearse=False
        ),
    )


def test_a_batch_counts_its_pictures_and_times_its_requests(
    metrics: dict[str, tuple[float, dict[str, str]]], server: WatchingServer, tmp_path: Path
) -> None:
    run_batch(server, tmp_path)

    counts = {name: metrics[f"tendies.batch.{name}"][0] for name in ("done", "failed")}
    assert counts == {"done": 3.0, "failed": 1.0}
    assert metrics["tendies.batch.request_ms"][0] > 0
    assert metrics["tendies.batch.images_per_second"][0] > 0
    assert metrics["tendies.batch.version"][0] == 1.0
    assert {tags["model"] for _, tags in metrics.values()} == {MODEL_NAME}


def test_a_release_tells_the_version_and_how_long_the_swap_took(
    metrics: dict[str, tuple[float, dict[str, str]]], tmp_path: Path
) -> None:
    release(make_candidate(tmp_path / "good", load_s=0.2))

    assert metrics["tendies.release.version"] == (1.0, {"model": MODEL_NAME})
    assert metrics["tendies.release.swap_seconds"][0] >= 0.2
    assert "tendies.release.released" in metrics


def test_a_release_that_fails_is_counted_with_its_reason(
    metrics: dict[str, tuple[float, dict[str, str]]], tmp_path: Path
) -> None:
    release(make_candidate(tmp_path / "bad", error="DATA_LOSS: truncated"))

    assert metrics["tendies.release.failed"] == (1.0, {"model": MODEL_NAME, "error": "LoadFailedError"})
    assert "tendies.release.released" not in metrics


def test_a_batch_that_does_not_come_to_its_end_is_counted_with_its_reason_and_is_no_success(
    metrics: dict[str, tuple[float, dict[str, str]]], server: WatchingServer, tmp_path: Path
) -> None:
    del server
    run_task(
        f"observed_{tmp_path.name}",
        lambda: BatchInferenceOperator(
            task_id="infer", input_path=str(tmp_path / "typo"), output_path=str(tmp_path / "out"), model_name=MODEL_NAME
        ),
    )

    count, tags = metrics["tendies.batch.red_tasks"]
    assert count == 1.0
    assert tags == {"model": MODEL_NAME, "task": "infer", "error": "InputFolderError"}
    assert "tendies.batch.last_success_timestamp" not in metrics


def test_the_time_of_the_last_success_is_sent_by_successful_releases_alone(
    metrics: dict[str, tuple[float, dict[str, str]]], tmp_path: Path
) -> None:
    release(make_candidate(tmp_path / "good"))

    assert metrics["tendies.release.last_success_timestamp"][0] > 1.7e9
