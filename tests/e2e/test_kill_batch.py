"""
A batch run is killed with SIGKILL again and again, while the server restarts, lies, cuts connections, swaps versions.

In the end every picture is there exactly once, whole, of one version, and hardly any was predicted twice.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tendies_ops.inference import BatchOptions, run_batch
from tests.support.canned_server import Answer, CannedModel, CannedServer, Request
from tests.support.sample_pictures import decoded, encoded, folder_of_pngs, inverted, png
from tests.support.sick_answers import SICK_ANSWERS

SCRIPT = Path(__file__).with_name("killed_batch.py")
BATCH, CONCURRENCY = 4, 2


class FlakyModel(CannedModel):
    """Slow, wrong one time in ten, and of two versions."""

    def __init__(self, seed: int, latency_s: float) -> None:
        super().__init__(lambda data: transform(data, self.version))
        self._dice = random.Random(seed)
        self._latency_s = latency_s
        self.fault = self._misbehave

    def _misbehave(self, _: Request) -> Answer | None:
        threading.Event().wait(self._latency_s)
        return self._dice.choice(SICK_ANSWERS) if self._dice.random() < 0.1 else None


def transform(data: bytes, version: int | None) -> bytes:
    """Version 1 inverts, version 2 mirrors."""
    return inverted(data) if version == 1 else encoded(decoded(data).transpose(Image.Transpose.FLIP_LEFT_RIGHT))


@contextmanager
def restarting_server(model: CannedModel, every_s: float) -> Iterator[str]:
    """Goes away for a moment, over and over, on the same port."""
    servers = [CannedServer(model)]
    over = threading.Event()

    def restart() -> None:
        while not over.wait(every_s):
            servers[-1].stop()
            over.wait(0.15)
            servers.append(CannedServer(model, port=servers[0].port))

    thread = threading.Thread(target=restart)
    thread.start()
    try:
        yield servers[0].url
    finally:
        over.set()
        thread.join()
        servers[-1].stop()


def kill_runs(options: dict[str, Any], *, kills: int, longest_s: float, seed: int = 1) -> dict[str, int]:
    arguments = [sys.executable, str(SCRIPT), str(kills), str(seed), str(longest_s), json.dumps(options)]
    root = Path(__file__).parents[2]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=280, cwd=root)
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def newest_records(output: Path) -> dict[str, dict[str, Any]]:
    records = {}
    for line in (output / ".tendies" / "ledger.jsonl").read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        records[record["input"]] = record
    return records


def assert_all_there(output: Path, count: int, version: int) -> None:
    files = [path for path in output.rglob("*") if path.is_file() and ".tendies" not in path.parts]
    assert sorted(path.name for path in files) == [f"{n:05}.png" for n in range(count)]
    for n in range(count):
        assert (output / f"{n:05}.png").read_bytes() == transform(png(n), version)
    records = newest_records(output)
    assert len(records) == count
    assert {(record["outcome"], record["version"]) for record in records.values()} == {("done", version)}
    assert not (output / ".tendies" / "parts").exists()


def options_for(folder: Path, url: str) -> dict[str, Any]:
    return {
        "input": str(folder / "in"),
        "output": str(folder / "out"),
        "model_name": "m",
        "servers": [url],
        "max_batch_size": BATCH,
        "max_concurrency": CONCURRENCY,
        "provenance": False,
        "timeout_s": 10.0,
    }


def finish(options: dict[str, Any]) -> Any:
    return run_batch(BatchOptions(**{**options, "servers": tuple(options["servers"])}))


@pytest.mark.parametrize(
    ("kills", "pictures", "longest_s"),
    [(15, 900, 0.5), pytest.param(200, 12_000, 0.7, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
def test_kills_at_random_moments_lose_nothing_and_repeat_only_what_was_in_flight(
    tmp_path: Path, kills: int, pictures: int, longest_s: float
) -> None:
    folder_of_pngs(tmp_path / "in", pictures)
    model = FlakyModel(seed=kills, latency_s=0.05)
    with restarting_server(model, every_s=1.5) as url:
        options = options_for(tmp_path, url)
        counts = kill_runs(options, kills=kills, longest_s=longest_s)
        recorded_when_killed = len(newest_records(tmp_path / "out"))
        model.fault = lambda _: None
    with CannedServer(model) as server:
        report = finish({**options, "servers": [server.url]})
    assert counts["killed"] == kills
    assert recorded_when_killed > 0
    assert (report.total, report.failed) == (pictures, 0)
    assert_all_there(tmp_path / "out", pictures, version=1)
    own = {png(n) for n in range(pictures)}
    predicted = sum(data in own for data in model.predicted)
    assert predicted <= pictures + counts["killed"] * BATCH * CONCURRENCY


def test_a_swap_between_kills_ends_with_every_picture_of_the_new_version(tmp_path: Path) -> None:
    folder_of_pngs(tmp_path / "in", 400)
    model = FlakyModel(seed=3, latency_s=0.03)
    with restarting_server(model, every_s=5.0) as url:
        options = options_for(tmp_path, url)
        of_version_1 = kill_runs(options, kills=4, longest_s=0.4)
        model.version = 2
        of_version_2 = kill_runs(options, kills=4, longest_s=0.4, seed=2)
        model.fault = lambda _: None
    with CannedServer(model) as server:
        report = finish({**options, "servers": [server.url]})
    assert (of_version_1["killed"], of_version_2["killed"]) == (4, 4)
    assert (report.total, report.version, report.failed) == (400, 2, 0)
    assert_all_there(tmp_path / "out", 400, version=2)


def test_a_disk_that_takes_no_more_ends_the_run_and_a_larger_one_finishes_it(tmp_path: Path) -> None:
    folder_of_pngs(tmp_path / "in", 40)
    with CannedServer(CannedModel(lambda data: transform(data, 1))) as server:
        options = options_for(tmp_path, server.url)
        counts = kill_runs({**options, "largest_file_bytes": 6000}, kills=0, longest_s=60.0)
        assert counts == {"killed": 0, "finished": 0, "failed": 1}
        assert 0 < len(newest_records(tmp_path / "out")) < 40
        report = finish(options)
    assert (report.total, report.failed) == (40, 0)
    assert_all_there(tmp_path / "out", 40, version=1)
