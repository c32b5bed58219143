"""Ledgers, reports and results in numbers whose values have the wrong type: shown as far as possible, never a 500."""

from __future__ import annotations

from itertools import count
from typing import Any

import orjson
import pytest

from tests.support.web_world import WebWorld
from tests.with_airflow.web.clients import Clients

WRONG: tuple[Any, ...] = (
    "x", "", 5, -1, 1.5, 10**18, 10**400, 1e308, True, None, [], ["x"], [5], {}, {"a": {"b": []}}, "\x00", "../..", "/",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "a" * 3000, [[1, "x"]], [[1]], [None, None],
)  # fmt: skip
FACTS = (
    "done", "skipped", "failed", "total", "found", "elapsed_s", "images_per_second", "eta_s", "version", "input",
    "output", "message", "started_at", "ok", "dry_run", "rates", "run_id", "state",
)  # fmt: skip
RECORD = (
    "input", "output", "outcome", "kind", "reason", "model_name", "version", "milliseconds", "size_bytes", "batch_size",
    "output_modified_ns", "input_b64", "output_b64", "input_digest", "output_digest", "further_outputs", "run_id",
    "parameters",
)  # fmt: skip
PAGES = ("", "/live", "/report.json", "/ledger.jsonl", "/pictures.zip")
_numbers = count()


def dumps(value: Any) -> bytes:
    """JSON with numbers of any size, as other programs write it."""
    import json

    return json.dumps(value).encode()


@pytest.mark.parametrize("name", ["report.json", "progress.json"])
@pytest.mark.parametrize("fact", FACTS)
def test_a_wrong_fact_of_a_run_is_no_fault(fact: str, name: str, world: WebWorld, clients: Clients) -> None:
    whole = {"ok": True, "done": 3, "input": str(world.input), "version": 2, "rates": [[0, 1], [1, 2]]}
    for wrong in WRONG:
        run = f"wrong-fact-{next(_numbers)}"
        directory = world.output / ".tendies" / "runs" / run
        directory.mkdir(parents=True)
        for file in {"progress.json", name}:
            (directory / file).write_bytes(dumps({**whole, fact: wrong}))
        for page in PAGES:
            if name == "progress.json" and page == "/report.json":
                continue
            answer = clients["viewer"].get(f"/tendies/runs/brush/{run}{page}")
            assert answer.status_code == 200, (fact, wrong, page)
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


@pytest.mark.parametrize("fact", RECORD)
def test_a_wrong_value_in_a_ledger_is_no_fault(fact: str, world: WebWorld, clients: Clients) -> None:
    run = f"wrong-record-{next(_numbers)}"
    directory = world.output / ".tendies" / "runs" / run
    directory.mkdir(parents=True)
    (directory / "report.json").write_bytes(orjson.dumps({"ok": True, "input": str(world.input)}))
    whole = {"run_id": run, "outcome": "done", "input": "coast/walk-000000.jpg", "output": "coast/walk-000000.png"}
    first = sum(1 for _ in world.ledger.open("rb")) + 1
    with world.ledger.open("ab") as stream:
        stream.writelines(dumps({**whole, fact: wrong}) + b"\n" for wrong in WRONG)
    pages = [*PAGES, "?outcome=done", "?q=walk"]
    pages += [
        f"/pictures/{first + row}{side}" for row in range(len(WRONG)) for side in ("", "/before", "/after", "/original")
    ]
    for page in pages:
        answer = clients["viewer"].get(f"/tendies/runs/brush/{run}{page}")
        assert answer.status_code in {200, 404, 415}, (fact, page)
    assert clients["viewer"].get("/tendies/pictures?q=walk-000000").status_code == 200


@pytest.mark.parametrize("key", ["detections", "outputs"])
def test_wrong_values_among_a_results_numbers_are_no_fault(key: str, world: WebWorld, clients: Clients) -> None:
    run = f"wrong-numbers-{key}"
    directory = world.output / ".tendies" / "runs" / run
    directory.mkdir(parents=True)
    (directory / "report.json").write_bytes(orjson.dumps({"ok": True}))
    inner = [
        *WRONG, {"label": [], "score": "x", "box": 5}, {"label": 1, "score": 1, "box": ["a"] * 4},
        {"detection_boxes": "x", "detection_scores": 5}, {"a": [[1], [1, 2]]}, {"a": "x" * 1000}, {"": None},
    ]  # fmt: skip
    with world.ledger.open("ab") as stream:
        for number, wrong in enumerate(inner):
            name = f"numbers-{key}-{number}.json"
            (world.output / name).write_bytes(dumps({key: [wrong] if number % 2 else wrong}))
            (world.output / f"x{name}").write_bytes(dumps(wrong))
            for output in (name, f"x{name}"):
                line = {"run_id": run, "outcome": "done", "input": "a.jpg", "output": output}
                stream.write(orjson.dumps(line) + b"\n")
    assert clients["viewer"].get(f"/tendies/runs/brush/{run}").status_code == 200
    assert clients["viewer"].get(f"/tendies/runs/brush/{run}?page=2").status_code == 200


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"5", b"null", b"\xff\xfe", b'"x"', b"[1]", b"{", b" " * (9 << 20)]
)
def test_a_report_that_is_no_object_is_no_fault(content: bytes, world: WebWorld, clients: Clients) -> None:
    directory = world.output / ".tendies" / "runs" / "no-object"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.json").write_bytes(content)
    for page in PAGES:
        assert clients["viewer"].get(f"/tendies/runs/brush/no-object{page}").status_code == 200
    assert clients["viewer"].get("/tendies/runs").status_code == 200
