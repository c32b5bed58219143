from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as entry
from bench import results
from bench.results import Row, as_table, read_rows, write_result


@pytest.fixture(autouse=True)
def results_in_a_folder_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)


def test_rows_come_back_as_they_were_written() -> None:
    rows = [Row("a server", 98.5, "images/s", "no server", 100.0, 0.985, ">= 0.97", {"memory_mb": 400})]
    assert read_rows(write_result("some_bench", rows, rounds=3)) == rows


def test_a_row_of_rounds_has_the_medians_and_the_median_of_the_ratios() -> None:
    row = Row.of_rounds("a server", "images/s", [(10.0, 20.0), (30.0, 30.0), (80.0, 100.0)], compared_with="no server")

    assert row == Row("a server", 30.0, "images/s", "no server", reference=30.0, ratio=0.8)


def test_the_table_shows_each_figure_with_its_reference_and_promise() -> None:
    table = as_table(
        [Row("a server", 1234.5, "images/s", "no server", 2000.0, 0.617, ">= 0.5"), Row("parse", 0.2, "s")]
    )
    assert "| a server | 1,234 images/s | no server (2,000) | 0.617 | >= 0.5 |" in table
    assert "| parse | 0.2 s |  |  |  |" in table


def test_an_unknown_bench_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "no_such_bench"])
    with pytest.raises(SystemExit):
        entry.main()
    assert "there is no bench no_such_bench" in capsys.readouterr().err
