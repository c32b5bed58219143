from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from bench import __main__ as entry
from bench import runner
from bench.promises import promises_table
from bench.results import Row, write_result
from bench.runner import MINUTES, benches, run_bench, run_benches

SLEEPY_WITH_A_CHILD = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
path = pathlib.Path(sys.argv[1])
path.with_suffix(".part").write_text(str(child.pid))
path.with_suffix(".part").rename(path)
time.sleep(60)
"""


def test_a_bench_is_a_module_with_a_main() -> None:
    assert "server_peers" in benches()
    assert not {"results", "load_client", "profiled_server", "whole_job", "canned_answers"} & set(benches())


def test_how_long_it_takes_is_known_of_every_bench() -> None:
    assert sorted(MINUTES) == benches()


def test_the_status_of_a_bench_is_reported() -> None:
    assert not run_bench([sys.executable, "-c", ""])
    assert run_bench([sys.executable, "-c", "raise SystemExit(3)"]) == "status 3"


def test_a_bench_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    outcome = run_bench([sys.executable, "-c", SLEEPY_WITH_A_CHILD, str(tmp_path / "pid")], limit_s=2.0)

    assert outcome == "it was ended after 2 s"
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_bench_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(runner, "run_bench", lambda command: "status 1" if command[-1] == "bench.profile" else "")

    assert run_benches(["profile", "simulation"]) == {"profile": "status 1"}

    said = capsys.readouterr().out
    assert "[1 of 2] profile, about 3 minutes" in said
    assert "[2 of 2] simulation, about 1 minute\n" in said


def test_what_ran_is_held_against_its_promises_and_what_failed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.results.RESULTS", tmp_path)
    monkeypatch.setattr(entry, "RESULTS", tmp_path)
    for name in ("profile", "simulation"):
        write_result(name, [Row(f"of {name}", 0.5, "s", promise="<= 0.4")])
    monkeypatch.setattr(entry, "run_benches", lambda names: {"profile": "status 1"})
    monkeypatch.setattr(sys, "argv", ["bench", "profile", "simulation", "export_cost", "--skip", "export_cost"])

    assert entry.main() == 1

    said = capsys.readouterr()
    assert "0 of 1 promises are met" in said.out
    assert "| `simulation` | of simulation |  | 0.5 s | <= 0.4 | **short** |" in said.out
    assert "of profile" not in said.out
    assert "profile failed: status 1" in said.err


def test_nothing_is_said_of_short_ones_where_all_are_met() -> None:
    assert promises_table({"made": [Row("ours", 0.3, "s", promise="<= 0.4")]}).startswith("1 of 1 promises are met:")
