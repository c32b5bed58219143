from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.publish.history import HistoryRecord, append_history, read_history, versions_ever
from tendies_ops.publish.layout import STATE_DIRECTORY


@pytest.mark.parametrize("reason", ["too\u2028dark", "too\u2029dark", "too\x85dark", "too\ndark", "too\rdark"])
def test_a_record_is_read_again_whatever_ends_of_lines_its_reason_has(tmp_path: Path, reason: str) -> None:
    append_history(tmp_path, HistoryRecord("withdrawn", 7, reason))

    assert [record.reason for record in read_history(tmp_path)] == [reason]
    assert versions_ever(tmp_path) == {7}


def test_a_reason_that_names_a_file_whose_name_is_no_utf8_is_written_down(tmp_path: Path) -> None:
    append_history(tmp_path, HistoryRecord("withdrawn", 7, "caf\udce9 is damaged"))

    assert [record.reason for record in read_history(tmp_path)] == ["caf\udce9 is damaged"]


def test_a_line_that_a_kill_cut_short_costs_itself_only(tmp_path: Path) -> None:
    append_history(tmp_path, HistoryRecord("released", 1))
    with (tmp_path / STATE_DIRECTORY / "history.jsonl").open("a") as stream:
        stream.write('{"event": "rele')
    append_history(tmp_path, HistoryRecord("released", 3))

    assert versions_ever(tmp_path) == {1, 3}
