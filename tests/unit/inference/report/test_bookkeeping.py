"""What a run writes for people costs it no picture when it fails or hangs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tendies_ops.inference import BatchProgress, run_batch
from tendies_ops.inference.report import progress, run_files
from tests.support.batch_bench import Bench, counts
from tests.support.canned_server import Request
from tests.support.sample_pictures import folder_of_pngs


def run_folder(bench: Bench, run_id: str) -> Path:
    folder = bench.output / ".tendies" / "runs" / run_id
    folder.mkdir(parents=True)
    return folder


def test_a_progress_callback_that_raises_costs_no_picture(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    folder_of_pngs(bench.input, 20)

    def fail(_: BatchProgress) -> None:
        raise RuntimeError("500 Database error")

    report = run_batch(bench.options(max_batch_size=2), on_progress=fail)

    assert counts(report) == (20, 20, 0, 0)
    assert [record.message.count("500 Database error") for record in caplog.records] == [1]


def test_pictures_go_on_while_a_progress_callback_hangs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_LAST_WORD_S", 0.1)
    folder_of_pngs(bench.input, 20)
    hangs, enough_was_asked = threading.Event(), threading.Event()

    def hang(_: BatchProgress) -> None:
        hangs.set()
        enough_was_asked.wait(60)

    def answer_when_it_hangs(_: Request) -> None:
        assert hangs.wait(60)

    bench.model.fault = answer_when_it_hangs
    report = run_batch(bench.options(max_batch_size=2), on_progress=hang)
    enough_was_asked.set()

    assert counts(report) == (20, 20, 0, 0)


def test_a_progress_file_that_cannot_be_written_costs_no_picture(bench: Bench) -> None:
    folder_of_pngs(bench.input, 6)
    (run_folder(bench, "r") / "progress.json").mkdir()

    assert counts(bench.run(run_id="r")) == (6, 6, 0, 0)


def test_a_report_without_its_page_and_sheet_names_neither(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    folder_of_pngs(bench.input, 3)
    folder = run_folder(bench, "r")
    for name in ("report.html", "contact_sheet.png"):
        (folder / name).mkdir()

    report = bench.run(run_id="r")

    assert counts(report) == (3, 3, 0, 0)
    assert set(report.paths) == {"ledger", "report"}
    assert {name for name in ("report.html", "contact_sheet.png") if name in caplog.text} == {
        "report.html",
        "contact_sheet.png",
    }


def test_a_contact_sheet_that_hangs_does_not_hold_up_the_report(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of_pngs(bench.input, 3)
    go_on = threading.Event()
    monkeypatch.setattr(run_files, "_SHEET_S", 0.05)
    monkeypatch.setattr(run_files, "write_contact_sheet", lambda *_: go_on.wait(60))

    report = bench.run()
    go_on.set()

    assert counts(report) == (3, 3, 0, 0)
    assert "contact_sheet" not in report.paths
    assert Path(report.paths["html"]).is_file()


def test_hints_that_cannot_be_written_leave_the_run_as_it_is(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    (bench.output / ".tendies" / "learned.json").mkdir(parents=True)

    assert counts(bench.run()) == (3, 3, 0, 0)
