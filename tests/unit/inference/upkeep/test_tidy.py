"""`tendies tidy`: what goes, what stays, and what the next run still knows."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.errors import LockHeldError, UsageError
from tendies_ops.inference.storage.local import LocalOutput
from tendies_ops.inference.upkeep.tidy_output import tidy_output
from tests.support.batch_bench import Bench, counts
from tests.support.sample_pictures import folder_of_pngs

DAY_S = 86_400


def run_days_ago(bench: Bench, days: float, **options: object) -> str:
    report = bench.run(**options)
    then_s = time.time() - days * DAY_S
    os.utime(bench.output / ".tendies" / "runs" / report.run_id, (then_s, then_s))
    return report.run_id


def runs(bench: Bench) -> set[str]:
    return {run.name for run in (bench.output / ".tendies" / "runs").iterdir()}


def lines(bench: Bench) -> list[bytes]:
    return (bench.output / ".tendies" / "ledger.jsonl").read_bytes().splitlines()


@pytest.fixture
def years(bench: Bench) -> list[str]:
    """Four runs that each did all five pictures again, of which two are old."""
    folder_of_pngs(bench.input, 5)
    ages = {200: "png", 150: "webp", 10: "jpeg", 0: "webp"}
    return [run_days_ago(bench, days, output_format=kind) for days, kind in ages.items()]


def test_old_runs_and_their_lines_go_and_the_next_run_does_nothing_again(bench: Bench, years: list[str]) -> None:
    tidied = tidy_output(bench.output, keep_runs=1, keep_days=30)

    assert runs(bench) == set(years[2:])
    assert (tidied.runs_removed, tidied.lines_removed, tidied.lines_kept) == (2, 10, 10)
    assert tidied.bytes_freed > 0
    assert counts(bench.run(output_format="webp")) == (5, 0, 5, 0)


def test_the_newest_line_of_a_picture_stays_when_its_run_goes(bench: Bench, years: list[str]) -> None:
    folder_of_pngs(bench.input, 1)
    del years
    (bench.input / "00004.png").unlink()
    run_days_ago(bench, 0, output_format="png")
    tidy_output(bench.output, keep_runs=1, keep_days=0)

    assert len(lines(bench)) == 5
    assert set(bench.newest_records()) == {f"{number:05}.png" for number in range(5)}


def test_a_dry_run_says_the_same_and_changes_nothing(bench: Bench, years: list[str]) -> None:
    before = lines(bench)
    would = tidy_output(bench.output, keep_runs=1, keep_days=30, dry_run=True)

    assert runs(bench) == set(years)
    assert lines(bench) == before
    assert tidy_output(bench.output, keep_runs=1, keep_days=30) == would


def test_a_run_that_did_not_end_well_stays(bench: Bench, years: list[str]) -> None:
    report = bench.output / ".tendies" / "runs" / years[0] / "report.json"
    report.write_text(report.read_text(encoding="utf-8").replace('"ok": true', '"ok": false'), encoding="utf-8")
    then_s = time.time() - 200 * DAY_S
    os.utime(report.parent, (then_s, then_s))
    tidy_output(bench.output, keep_runs=1, keep_days=30)

    assert years[0] in runs(bench)


def test_nothing_is_tidied_under_a_run_that_writes(bench: Bench, years: list[str]) -> None:
    with LocalOutput(bench.output).locked(), pytest.raises(LockHeldError):
        tidy_output(bench.output, keep_runs=1, keep_days=0)
    assert runs(bench) == set(years)


def test_a_folder_that_is_no_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No batch has written"):
        tidy_output(tmp_path, keep_runs=1, keep_days=0)


def test_the_command_says_what_went(bench: Bench, years: list[str]) -> None:
    del years
    done = CliRunner().invoke(app, ["tidy", str(bench.output), "--keep-runs", "1", "--keep-days", "30"])

    assert "2 runs and 10 lines of the ledger are gone" in done.stdout
