from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import orjson
import pytest

from tendies_ops.web.ledger import ledger_intake, ledger_places
from tendies_ops.web.ledger.ledger_index import LedgerIndex, LedgerIndexes
from tendies_ops.web.ledger.ledger_places import Query


def line(name: str, run: str = "r1", outcome: str = "done", kind: str | None = None) -> bytes:
    return orjson.dumps({"run_id": run, "input": name, "outcome": outcome, "kind": kind}) + b"\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def index(ledger: Path, tmp_path: Path) -> LedgerIndex:
    return LedgerIndexes(tmp_path / "cache").of(ledger)


def names(index: LedgerIndex, query: Query, offset: int = 0, limit: int = 100) -> list[str]:
    index.follow(budget_s=30)
    return [found.record["input"] for found in index.page(query, offset=offset, limit=limit).lines]


def test_a_run_is_paged_in_the_order_of_the_ledger(ledger: Path, index: LedgerIndex) -> None:
    ledger.write_bytes(b"".join(line(f"p{n}", run="r2" if n == 3 else "r1") for n in range(7)))
    assert names(index, Query(("r1",)), 2, 3) == ["p2", "p4", "p5"]
    assert names(index, Query(("r1",)), 5, 3) == ["p6"]
    assert names(index, Query(("r2",))) == ["p3"]


def test_what_is_appended_is_taken_in_by_the_next_look(ledger: Path, index: LedgerIndex) -> None:
    for number in range(5):
        with ledger.open("ab") as stream:
            stream.write(line(f"p{number}"))
        assert names(index, Query(("r1",))) == [f"p{n}" for n in range(number + 1)]


def test_outcomes_and_kinds_are_counted_and_filtered(ledger: Path, index: LedgerIndex) -> None:
    kinds = ["damaged", "too_large", "damaged"]
    ledger.write_bytes(line("good") + b"".join(line(f"bad{n}", "r1", "failed", kind) for n, kind in enumerate(kinds)))
    assert names(index, Query(("r1",), "failed")) == ["bad0", "bad1", "bad2"]
    assert names(index, Query(("r1",), "failed", "damaged")) == ["bad0", "bad2"]
    assert index.counts(("r1",)) == {("done", ""): 1, ("failed", "damaged"): 2, ("failed", "too_large"): 1}
    assert index.page(Query(("r1",), "failed"), offset=0, limit=1).total == 3


def test_a_search_finds_every_place_once_whatever_the_case(ledger: Path, index: LedgerIndex) -> None:
    ledger.write_bytes(
        b"".join(line(name) for name in ("Coast/A.jpg", "b/coast-coast.png", "c.jpg", "d%e_f.jpg", "ÜBER.png"))
    )
    assert names(index, Query(("r1",), text="COAST")) == ["Coast/A.jpg", "b/coast-coast.png"]
    assert names(index, Query(("r1",), text="%e_")) == ["d%e_f.jpg"]
    assert names(index, Query(("r1",), text="über")) == ["ÜBER.png"]
    assert names(index, Query(("r1",), text="jpg\nb")) == []


def test_a_line_that_a_kill_cut_short_costs_only_itself(ledger: Path, index: LedgerIndex) -> None:
    whole = line("torn")
    ledger.write_bytes(line("a") + whole[:-9])
    assert names(index, Query(("r1",))) == ["a"]
    with ledger.open("ab") as stream:
        stream.write(b"\n" + line("b"))
    assert names(index, Query(("r1",))) == ["a", "b"]


def test_rows_keep_their_numbers_when_the_index_is_made_again(ledger: Path, tmp_path: Path) -> None:
    ledger.write_bytes(b"".join(line(f"p{n}") for n in range(9)) + b"not json\n" + line("last"))
    rows = []
    for cache in ("one", "two"):
        index = LedgerIndexes(tmp_path / cache).of(ledger)
        index.follow(budget_s=30)
        rows.append([found.row for found in index.page(Query(("r1",)), offset=0, limit=20).lines])
    assert rows[0] == rows[1] == list(range(1, 11))
    found = index.line(10)
    assert found is not None
    assert found.record["input"] == "last"


def test_an_output_that_was_made_again_is_not_mistaken_for_the_old_one(ledger: Path, index: LedgerIndex) -> None:
    ledger.write_bytes(line("old1") + line("old2"))
    assert names(index, Query(("r1",))) == ["old1", "old2"]
    ledger.unlink()
    ledger.write_bytes(line("new1"))
    assert names(index, Query(("r1",))) == ["new1"]


def test_neighbours_are_those_that_match(ledger: Path, index: LedgerIndex) -> None:
    outcomes = ["done", "failed", "done", "failed", "done"]
    kinds = {"done": None, "failed": "x"}
    lines = [line(f"p{n}", "r1", outcome, kinds[outcome]) for n, outcome in enumerate(outcomes)]
    ledger.write_bytes(b"".join(lines))
    index.follow(budget_s=30)
    assert index.neighbours(Query(("r1",)), 3) == (2, 4)
    assert index.neighbours(Query(("r1",), "failed"), 2) == (None, 4)
    assert index.neighbours(Query(("r1",), text="p4"), 1) == (None, 5)


def test_many_small_chunks_hold_what_one_large_chunk_holds(
    ledger: Path, index: LedgerIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_intake, "CHUNK_BYTES", 300)
    monkeypatch.setattr(ledger_intake, "_LONGEST_LINE_BYTES", 100)
    lines = [
        line(f"p{n:03d}", "r1", "failed" if n % 7 == 0 else "done", "x" if n % 7 == 0 else None) for n in range(200)
    ]
    for start in range(0, 200, 13):
        with ledger.open("ab") as stream:
            stream.write(b"".join(lines[start : start + 13]))
        index.follow(budget_s=30)
    assert names(index, Query(("r1",)), 0, 500) == [f"p{n:03d}" for n in range(200)]
    assert names(index, Query(("r1",)), 97, 6) == [f"p{n:03d}" for n in range(97, 103)]
    assert names(index, Query(("r1",), "failed"), 3, 4) == ["p021", "p028", "p035", "p042"]
    assert names(index, Query(("r1",), text="p19")) == [f"p19{n}" for n in range(10)]
    assert [found.record["input"] for found in index.newest("p19", limit=3)] == ["p199", "p198", "p197"]
    assert index.neighbours(Query(("r1",), "failed"), 100) == (99, 106)
    assert b"".join(index.raw_lines(Query(("r1",)))) == b"".join(lines)


def test_threads_that_look_at_the_same_time_see_every_line_once(ledger: Path, index: LedgerIndex) -> None:
    ledger.write_bytes(b"".join(line(f"p{n}") for n in range(3000)))
    threads = [threading.Thread(target=index.follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index.follow(budget_s=30)
    assert index.counts(("r1",)) == {("done", ""): 3000}


def test_one_line_is_found_without_unpacking_the_others(
    ledger: Path, index: LedgerIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    places: list[ledger_places.Place] = []

    class Counted(ledger_places.Place):
        def __new__(cls, *values: int) -> Counted:
            places.append(made := super().__new__(cls, *values))
            return made

    outcomes = ["failed" if number % 7 == 0 else "done" for number in range(5000)]
    ledger.write_bytes(b"".join(line(f"p{n}", "r1", outcome) for n, outcome in enumerate(outcomes)))
    index.follow(budget_s=30)
    monkeypatch.setattr(ledger_places, "Place", Counted)
    for row in (1, 2, 2500, 5000):
        found = index.line(row)
        assert found is not None
        assert (found.row, found.record["input"]) == (row, f"p{row - 1}")
    assert [place.row for place in places] == [1, 2, 2500, 5000]
    assert index.line(5001) is None


def test_a_ledger_that_is_not_there_yet_is_empty(index: LedgerIndex) -> None:
    assert names(index, Query(("r1",))) == []
    assert index.line(1) is None
    assert list(index.raw_lines(Query(("r1",)))) == []


def made_with(name: str, **parameters: object) -> bytes:
    return orjson.dumps({"run_id": "r1", "input": name, "outcome": "done", "parameters": parameters}) + b"\n"


def test_pictures_are_counted_and_filtered_by_a_parameter(ledger: Path, index: LedgerIndex) -> None:
    given = [{"style": 10, "mix": [1, 0]}, {"style": 9, "mix": [1, 0]}, {"style": 9, "mix": [0, 1]}]
    ledger.write_bytes(line("none") + b"".join(made_with(f"p{at}", **values) for at, values in enumerate(given)))

    assert names(index, Query(("r1",), parameter="style=9")) == ["p1", "p2"]
    assert names(index, Query(("r1",), parameter="mix=[1,0]", text="p1")) == ["p1"]
    assert names(index, Query(("r1",), parameter="style=1")) == []
    assert index.parameters(("r1",)) == [("mix=[0,1]", 1), ("mix=[1,0]", 2), ("style=9", 2), ("style=10", 1)]


def test_an_index_has_no_endless_list_of_values(ledger: Path, index: LedgerIndex) -> None:
    ledger.write_bytes(b"".join(made_with(f"p{n}", strength=n / 1000) for n in range(1000)))

    assert len(names(index, Query(("r1",)), limit=2000)) == 1000
    assert index.parameters(("r1",)) is None


def test_an_index_of_an_older_layout_is_made_again(ledger: Path, index: LedgerIndex, tmp_path: Path) -> None:
    ledger.write_bytes(made_with("p", style=1))
    assert names(index, Query(("r1",))) == ["p"]
    (database,) = (tmp_path / "cache").glob("*.sqlite")
    with sqlite3.connect(database) as connection:
        connection.executescript("PRAGMA user_version = 0; DROP TABLE parts; CREATE TABLE parts (chunk INTEGER);")

    assert names(LedgerIndexes(tmp_path / "cache").of(ledger), Query(("r1",), parameter="style=1")) == ["p"]


def test_the_newest_line_of_each_of_some_paths_is_found(ledger: Path, index: LedgerIndex) -> None:
    many = b"".join(line(f"p{n}") for n in range(60_000))
    ledger.write_bytes(many + line("P7", outcome="failed") + line("p3", "r2"))
    index.follow(budget_s=30)

    found = index.newest_of(["p3", "P7", "p9", "absent"])
    assert {path: one.row for path, one in found.items()} == {"p3": 60_002, "P7": 60_001, "p9": 10}
