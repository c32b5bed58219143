"""Chromium, logged in to a live Airflow that has two released versions of a model and a finished batch run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.airflow import LiveAirflow
from tests.support.browser import Browsers
from tests.support.candidates import make_candidate, shift, write_manifest
from tests.support.partitioned import make_partition, partitioned_spec
from tests.support.scenes import png, scene
from tests.support.watching_server import WatchingServer

MODEL = "coastlines"
DAYS = "days"  #: a model with partitions


class LeisurelyServer(WatchingServer):
    """Can take its time over each request, so that a run can be watched."""

    _pause_s = 0.0
    _hurry = threading.Event()

    @contextmanager
    def slow(self, pause_s: float) -> Iterator[None]:
        """Each request takes so long; what is left at the end of the block goes at full speed."""
        self._pause_s, self._hurry = pause_s, threading.Event()
        try:
            yield
        finally:
            self._hurry.set()

    def _predict(self, *arguments: Any) -> Any:
        self._hurry.wait(self._pause_s)
        return super()._predict(*arguments)


@dataclass
class Stage:
    """What the browser looks at."""

    airflow: LiveAirflow
    server: LeisurelyServer
    input: Path
    output: Path
    base_path: Path
    first_run: str  #: id of the DAG run of the first batch

    @property
    def batch_dag(self) -> str:
        return f"tendies_batch_{MODEL}"

    def add_pictures(self, start: int, number: int) -> None:
        """Twenty scenes, again and again: every file counts, whatever is in it."""
        folder = self.input / "coast"
        folder.mkdir(parents=True, exist_ok=True)
        for seed in range(start, start + number):
            path, known = folder / f"walk-{seed:04d}.jpg", folder / f"walk-{seed % 20:04d}.jpg"
            if known.exists():
                path.write_bytes(known.read_bytes())
            else:
                scene(seed, width=192, height=144).save(path, quality=90)


@pytest.fixture(scope="session")
def stage(live_airflow: LiveAirflow, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("stage")
    base_path = root / "models" / MODEL
    base_path.mkdir(parents=True)
    with LeisurelyServer(base_path, model_name=MODEL) as server:
        for number, by in ((1, 40), (2, 90)):
            _release(root / f"candidate-{number}", base_path, server, by=by, step=number * 1000)
        yield _with_a_run(Stage(live_airflow, server, root / "pictures", root / "results", base_path, ""))


def _release(candidate: Path, base_path: Path, server: WatchingServer, *, by: int, step: int) -> None:
    from tendies_ops.release import release_model

    make_candidate(candidate, by=by, model_name=MODEL, step=step)
    folder = candidate / "assets.extra" / "tendies_golden"
    golden = []
    for number, name in enumerate(("hills", "bay")):
        given = png(scene(700 + number, width=240, height=180))
        (folder / f"{number}.in.png").write_bytes(given)
        (folder / f"{number}.out.png").write_bytes(shift(given, by))
        stem = f"assets.extra/tendies_golden/{number}"
        golden.append({"name": name, "input": f"{stem}.in.png", "outputs": {"output_bytes": f"{stem}.out.png"}})
    write_manifest(candidate, model_name=MODEL, golden=golden, step=step)
    release_model(candidate, base_path, [server.url])


def _with_a_run(stage: Stage) -> Stage:
    stage.add_pictures(0, 40)
    (stage.input / "broken").mkdir()
    for number in range(5):
        whole = png(scene(900 + number))
        (stage.input / "broken" / f"cut-{number}.png").write_bytes(whole[: len(whole) // 2])
    stage.airflow.add_spec(
        {
            "model_name": MODEL,
            "description": "Moves every colour round the clock",
            "source": {"checkpoint": str(stage.input / "none")},
            "release": {"model_base_path": str(stage.base_path), "servers": [stage.server.url]},
            "batch": {"input": str(stage.input), "output": str(stage.output), "max_batch_size": 2, "max_failed": 5},
            "airflow": {"retries": 3, "retry_delay_s": 1, "rehearse": False},
        }
    )
    stage.airflow.add_spec(_partitioned(stage))
    # The first request to the execution API takes Airflow seconds, on a busy machine longer than a task waits for it.
    requests.get(f"{stage.airflow.url}/execution/health", timeout=180)
    for kind in ("batch", "rollback", "release"):
        stage.airflow.wait_for_dag(f"tendies_{kind}_{MODEL}")
    stage.first_run = stage.airflow.trigger(stage.batch_dag)
    state = stage.airflow.wait_for_run(stage.batch_dag, stage.first_run)
    assert state == "success", stage.airflow.task_log(stage.batch_dag, stage.first_run, "infer")
    return stage


@pytest.fixture(scope="module")
def browsers(stage: Stage) -> Iterator[Browsers]:
    """Opens pages as any role. No page of any test asks another host, and no script complains."""
    pictures = os.environ.get("TENDIES_SCREENSHOTS")
    with Browsers(stage.airflow, Path(pictures) if pictures else None) as opened:
        yield opened
        opened.check_quiet()


def _partitioned(stage: Stage) -> dict[str, Any]:
    """Return the spec of another model, of whose days one is done and the others are missing."""
    spec = partitioned_spec(stage.output.parent / "days", model_name=DAYS, every="day", start="2026-06-01")
    make_partition(stage.output.parent / "days", "2026-11-24")
    return spec.model_dump(mode="json", exclude_unset=True)


def run_path(stage: Stage) -> str:
    (found,) = (stage.output / ".tendies" / "runs").glob(f"{stage.batch_dag}.{stage.first_run}.infer.*")
    return f"runs/{MODEL}/{found.name}"


def in_frame(page: Any) -> Any:
    """Our page inside Airflow's."""
    return page.frame_locator("iframe")


def all_pages(stage: Stage) -> list[str]:
    """Return an address of every page."""
    run = run_path(stage)
    return [
        "models",
        f"models/{MODEL}",
        f"models/{MODEL}/versions/2",
        f"models/{MODEL}/compare?a=1&b=2",
        f"models/{MODEL}/releases/2",
        "releases",
        "runs",
        "runs?state=stopped",
        run,
        f"{run}?outcome=failed",
        f"{run}/pictures/1",
        f"models/{DAYS}/partitions",
        "pictures",
        "pictures?q=walk-0003",
        f"airflow/run?dag_id={stage.batch_dag}&run_id=none",
        "nowhere",
    ]
