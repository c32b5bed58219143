"""Files that a killed run, an editor or a disk may have broken: they are read, passed over, or refused as text."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tendies_ops.errors import ReleaseError, UsageError
from tendies_ops.inference.ledger.ledger import Ledger, RunStamp, encode_record, exact_path, make_record
from tendies_ops.inference.ledger.outcomes import Found, Outcome
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.picture_parameters import open_parameters
from tendies_ops.inference.plan import Plan
from tendies_ops.inference.storage.local import LocalInput
from tendies_ops.publish.history import HistoryRecord, append_history, read_history
from tendies_ops.publish.leases import live_leases
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.publish.owner import Owner
from tendies_ops.release.checks.memory import read_factor
from tendies_ops.release.record.journal import Journal, read_journal
from tendies_ops.release.swap.model_config.entry import change_entry, read_entry
from tests.fuzz.garbage import json_values, mutated, replaced

STAMP = RunStamp("run", "m", 1, "sha256:1", "sha256:2")
RECORD = make_record(Outcome(Found("a.png", 10, 20, "a"), "done", output="a.png", output_digest="sha256:3"), STAMP, 1)
NAMES = st.text(st.characters(codec=None), min_size=1, max_size=20).filter(lambda name: "\x00" not in name)


class Nothing:
    """An output folder in which nothing lies."""

    def size_of(self, path: str) -> int | None:
        return None

    def holds(self, path: str, **_: object) -> bool:
        return False


def json_lines(*documents: Any) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            mutated(encode_record(RECORD)),
            replaced(RECORD, *RECORD).map(json_lines),
            json_values(*RECORD).map(json_lines),
        ),
        max_size=5,
    ),
    st.booleans(),
)
@example([b'{"input": "a.png"}\n'], False)
@example([b'{"input": ["a.png"]}\n'], False)
@example([b'"a.png"\n'], False)
@example([json_lines({**RECORD, "attempt": "1"})], True)
@example([json_lines({name: value for name, value in RECORD.items() if name != "model_digest"})], False)
@example([json_lines({name: value for name, value in RECORD.items() if name != "output_digest"})], False)
@example([json_lines({**RECORD, "output_modified_ns": "1"})], False)
@example([json_lines({**RECORD, "parameters": [1]})], False)
def test_any_ledger_is_read_and_written_on(folder: Path, lines: list[bytes], retry_failed: bool) -> None:
    path = folder / "ledger.jsonl"
    path.write_bytes(b"".join(lines))
    plan_for(path, retry_failed)
    with contextlib.closing(Ledger(path)) as ledger:
        ledger.append([{**RECORD, "attempt": 7}])
    with contextlib.closing(Ledger(path)) as ledger:
        assert (ledger.newest("a.png") or {})["attempt"] == 7
    assert path.read_bytes().startswith(b"".join(lines))


def plan_for(path: Path, retry_failed: bool) -> None:
    with contextlib.closing(Ledger(path)) as ledger:
        options = BatchOptions(input=str(path.parent), output="o", model_name="m", servers=("http://s",))
        none = open_parameters({}, options, LocalInput(path.parent), 1)
        plan = Plan(ledger, STAMP, Nothing(), none, retry_failed=retry_failed)  # type: ignore[arg-type]
        for found in (Found("a.png", 10, 20, "a"), Found("b.png", 1, 2, "b")):
            assert plan.decide(found).step in {"do", "compare", "skip", "again"}


@given(NAMES)
def test_any_name_comes_back_from_the_ledger_as_it_was(folder: Path, name: str) -> None:
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return  # no file can have it
    path = folder / "names.jsonl"
    path.unlink(missing_ok=True)
    with contextlib.closing(Ledger(path)) as ledger:
        ledger.append([make_record(Outcome(Found(name, 1, 2, name), "done", output=name), STAMP, 1)])
    with contextlib.closing(Ledger(path)) as ledger:
        record = ledger.newest(name)
        assert record is not None
        assert exact_path(record, "output") == name


@given(
    st.lists(
        st.binary(max_size=40)
        | mutated(json_lines(asdict(HistoryRecord("released", 3))))
        | replaced(asdict(HistoryRecord("released", 3)), "event", "version", "servers").map(json_lines),
        max_size=4,
    )
)
def test_any_history_is_read_and_written_on(folder: Path, lines: list[bytes]) -> None:
    path = folder / ".tendies" / "history.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(lines))
    before = read_history(folder)
    assert all(isinstance(record.version, int) for record in before)
    append_history(folder, HistoryRecord("withdrawn", 9, "x"))
    assert read_history(folder)[-1].version == 9
    assert len(read_history(folder)) >= len(before)


JOURNAL = json.loads(json.dumps(asdict(Journal("loading", "m", "sha256:1", 3, 2, ("http://h:1",), "now"))))


@given(st.binary(max_size=40) | mutated(json_lines(JOURNAL)) | replaced(JOURNAL, *JOURNAL).map(json_lines))
@example(json_lines({**JOURNAL, "version": None}))
def test_any_journal_is_read_or_refused_in_words_and_never_passed_over(folder: Path, data: bytes) -> None:
    path = folder / ".tendies" / "journal.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    try:
        journal = read_journal(folder)
    except ReleaseError as error:
        assert str(path) in str(error)
    else:
        assert journal is not None
        assert isinstance(journal.version, int)


@given(st.binary(max_size=40) | json_values("owner", "purpose", "holder").map(json_lines))
def test_any_lease_or_lock_of_a_dead_one_is_passed_over(folder: Path, data: bytes) -> None:
    state = folder / ".tendies"
    (state / "leases").mkdir(parents=True, exist_ok=True)
    (state / "leases" / "3-0123.json").write_bytes(data)
    (state / "memory.json").write_bytes(data)
    assert live_leases(folder) == []
    assert read_factor(folder) > 0


OWNER = Owner.me().to_json()


@given(replaced({"owner": {**OWNER, "host": "elsewhere"}, "purpose": "x"}, *OWNER, "owner", "purpose").map(json_lines))
def test_any_lock_that_no_one_touches_is_taken_over(folder: Path, data: bytes) -> None:
    state = folder / ".tendies"
    state.mkdir(exist_ok=True)
    for old in state.glob("lock.*"):
        old.unlink()
    (state / "lock.4").write_bytes(data)
    with lock_base_path(folder, purpose="x", timeout_s=5.0, stale_after_s=0.0) as lock:
        assert lock.generation == 5


CONFIG = """# kept
model_config_list {
  config { name: "m" base_path: "/m" model_platform: 'tensorflow' model_version_policy { specific { versions: 1 } } }
  config: < name: "n", base_path: "/n" version_labels { key: "stable" value: 3 } >
}
"""


@given(mutated(CONFIG.encode()).map(lambda data: data.decode("utf-8", "replace")) | st.text(max_size=60))
def test_any_model_config_is_changed_where_meant_or_refused_in_words(text: str) -> None:
    try:
        before = {name: read_entry(text, name) for name in ("m", "n")}
        changed = change_entry(text, "m", versions=[4, 5], labels={"stable": 4})
    except UsageError:
        return
    assert read_entry(changed, "m").versions == (4, 5)
    assert read_entry(changed, "m").labels["stable"] == 4
    assert read_entry(changed, "n") == before["n"]
