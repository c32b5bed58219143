"""The checker sees damage: without that, a green matrix would say nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults import checker
from tests.support.candidates import make_candidate, picture, shift


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    make_candidate(path / "1", by=10)
    make_candidate(path / "2", by=20)
    (path / ".tendies").mkdir()
    return path


def test_a_whole_base_path_is_fine(base: Path) -> None:
    assert checker.base_path(base, {}, settled=True) == []
    assert checker.versions(base) == [1, 2]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda base: (base / "2" / "saved_model.pb").unlink(), "is not whole"),
        (lambda base: (base / "2" / "saved_model.pb").write_bytes(b"grapH"), "is not whole"),
        (lambda base: (base / "2" / "extra").write_bytes(b""), "is not whole"),
        (lambda base: (base / "2" / "assets.extra" / "tendies.json").unlink(), "no manifest that can be read"),
        (lambda base: (base / ".tendies-staging-1").mkdir(), "left behind"),
        (lambda base: (base / ".tendies-trash-1").mkdir(), "left behind"),
        (lambda base: (base / ".tendies" / "journal.json").write_text("{}"), "left behind"),
        (lambda base: (base / ".tendies" / ".x.part").write_text(""), "left behind"),
    ],
)
def test_a_damaged_base_path_is_seen(base: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(base)
    [wrong] = checker.base_path(base, {}, settled=True)
    assert words in wrong


def test_a_number_with_another_content_is_seen(base: Path) -> None:
    seen: dict[int, str] = {}
    assert checker.base_path(base, seen, settled=True) == []
    shutil.rmtree(base / "2")
    make_candidate(base / "2", by=30)
    assert checker.base_path(base, seen, settled=True) == ["version 2 changed its content"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A batch of three pictures that went well, written by hand."""
    state = tmp_path / "out" / ".tendies"
    (state / "runs" / "r").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    records = []
    for seed in range(3):
        (tmp_path / "in" / f"{seed}.png").write_bytes(picture(seed))
        result = shift(picture(seed), 10)
        (tmp_path / "out" / f"{seed}.png").write_bytes(result)
        digest = checker.sha256(result)
        records.append({"input": f"{seed}.png", "outcome": "done", "output": f"{seed}.png", "output_digest": digest})
    (state / "ledger.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    counts = {"done": 3, "skipped": 0, "failed": 0, "total": 3}
    (state / "runs" / "r" / "report.json").write_text(json.dumps(counts))
    (state / "runs" / "r" / "report.html").write_text("<html></html>\n")
    return tmp_path


def wrong_with(run: Path) -> list[str]:
    wanted: dict[str, Any] = {str(seed): checker.pixels(shift(picture(seed), 10)) for seed in range(3)}
    return checker.batch(run / "in", run / "out", wanted, settled=True)


def test_a_whole_batch_is_fine(run: Path) -> None:
    assert wrong_with(run) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda run: (run / "out" / "1.png").unlink(), "is not there"),
        (lambda run: (run / "out" / "1.png").write_bytes(shift(picture(2), 10)), "not what the model makes"),
        (lambda run: (run / "out" / "1.png").write_bytes(shift(picture(1), 10)[:300]), "not what the model makes"),
        (lambda run: (run / "in" / "3.png").write_bytes(b"x"), "3.png has no outcome"),
        (lambda run: (run / "out" / ".tendies" / "parts").mkdir(), "left behind"),
        (lambda run: (run / "out" / ".tendies" / "runs" / "r" / "report.html").write_text("<htm"), "cut short"),
        (lambda run: (run / "out" / ".tendies" / "runs" / "r" / "report.json").write_text(
            '{"done": 2, "skipped": 0, "failed": 0, "total": 3}'), "do not add up"),
    ],
)  # fmt: skip
def test_a_damaged_batch_is_seen(run: Path, damage: Callable[[Path], object], words: str) -> None:
    damage(run)
    assert any(words in wrong for wrong in wrong_with(run)), wrong_with(run)


def test_a_traceback_is_no_sentence_and_silence_is_none_either() -> None:
    assert checker.words("", "Error: The disk is full.") == []
    assert checker.words("", "Traceback (most recent call last):\n  ...") != []
    assert checker.words("", "") != []
