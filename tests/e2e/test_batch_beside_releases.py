"""Releases, a third of them bad and a third killed, while a batch is started again and again."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tendies_ops.errors import TendiesError
from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.publish.layout import JOURNAL_NAME, STATE_DIRECTORY
from tests.support.candidates import MODEL_NAME, shift
from tests.support.killing import kill_at_random
from tests.support.service_worlds import ServiceWorld, Way, open_world

SCRIPT = Path(__file__).with_name("released_beside_a_batch.py")
_PAUSE_S = 0.2  # by directory a release waits for a moment without a run


@dataclass
class EndlessBatch:
    """Runs the same pictures over and over, and holds each run against what the base path said when it began."""

    world: ServiceWorld
    over: threading.Event = field(default_factory=threading.Event)
    ends: Counter[str] = field(default_factory=Counter)
    versions: set[int] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    _in_service: bool = False
    _by: int = 0

    def run(self) -> None:
        number = 0
        while not self.over.wait(_PAUSE_S):
            number += 1
            try:
                self._once(self.world.root / "out", f"run-{number}")
            except TendiesError as error:  # nothing is in service, or not any more: no result is made
                self.ends[type(error).__name__] += 1

    def _once(self, output: Path, run_id: str) -> None:
        shutil.rmtree(output, ignore_errors=True)
        options = BatchOptions(
            input=str(self.world.pictures),
            output=str(output),
            model_name=MODEL_NAME,
            servers=(self.world.server.url,),
            model_base_path=str(self.world.base),
            provenance=False,
            run_id=run_id,
        )
        report = run_batch(options, on_note=self._note)
        self.ends["done"] += 1
        self.versions.add(report.version)
        made = {path.name: path.read_bytes() for path in output.glob("*.png")}
        right = {path.name: shift(path.read_bytes(), self._by) for path in self.world.pictures.iterdir()}
        if not self._in_service or made != right:
            self.wrong.append(f"{run_id}: version {report.version}, {report.version_reason}")

    def _note(self, words: str) -> None:
        """Read without any code of the product whether the version that is about to be used has passed its proof."""
        if not words.startswith("Using version "):
            return
        version = int(words.split()[2])
        state = self.world.base / STATE_DIRECTORY
        journal = json.loads(text) if (text := _text(state / JOURNAL_NAME)) else {}
        records = [json.loads(line) for line in _text(state / "history.jsonl").splitlines()]
        self._in_service = (journal.get("phase"), journal.get("version")) == ("proved", version) or any(
            record["version"] == version and record["event"] in {"released", "rolled_back"} for record in records
        )
        self._by = json.loads((self.world.base / str(version) / "fake.json").read_text())["by"]


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["directory", "labels"])
@pytest.mark.parametrize(
    "rounds", [pytest.param(20, id="20"), pytest.param(200, id="200", marks=pytest.mark.timeout(2400))]
)
def test_no_picture_is_made_by_a_version_that_was_not_in_service(tmp_path: Path, way: Way, rounds: int) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with open_world(tmp_path / "world", way, loaded=1) as world:
        world.release(10)
        batch = EndlessBatch(world)
        thread = threading.Thread(target=batch.run)
        thread.start()
        config_file = str(world.config_file) if way == "labels" else ""
        try:
            count = kill_at_random(
                SCRIPT, str(world.base), str(scratch), world.server.url, config_file,
                rounds=rounds, seed=11, timeout_s=2300, share=0.5,
            )  # fmt: skip
        finally:
            batch.over.set()
            thread.join()
    print(f"by {way}: {rounds} releases, {count.killed} killed; runs {dict(batch.ends)}; versions {batch.versions}")
    assert count.failed == 0, count.words
    assert count.killed > rounds / 8
    assert batch.wrong == []
    assert batch.ends["done"] > rounds / 2
    assert len(batch.versions) > rounds / 10
