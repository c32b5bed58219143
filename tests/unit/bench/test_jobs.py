"""What whole jobs and DAG runs are summed up to, on round figures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from bench import batch_peers
from bench.airflow_cost import COMMAND, Times, rows_of
from bench.batch_peers import LIMIT, UNITS, Family, _job, row_of, run_round
from bench.contenders import Server
from bench.peers.folder import batches, files_below, write_result
from bench.workloads import Workload

WORKLOAD = Workload("made_up", "made up", Path("models"), b"", 4)
PNG = b"\x89PNG and so on"


def job_of(folder: Path, results: int) -> dict[str, float]:
    """Three pictures, results a second apart from the 12th second on, in a job from the 10th to the 16th."""
    for number in range(3):
        write_result(folder / "in", Path(f"00/{number}.jpg"), b"a picture")
    for number in range(results):
        write_result(folder / "out", Path(f"00/{number}.jpg"), PNG)
        os.utime(folder / "out" / "00" / f"{number}.png", (12 + number, 12 + number))
    family = Family([], peak_bytes=5_000_000)
    return _job(folder / "out", folder / "in", (10.0, 16.0), family, -0.3).figures


def test_a_job_is_reported_by_the_times_of_its_files(tmp_path: Path) -> None:
    figures = job_of(tmp_path, 3)
    assert figures == {"rate": 1.0, "whole_rate": 0.5, "cpu_ms": 100.0, "memory_mb": 5.0, "first_s": 2.0}
    assert figures.keys() == UNITS.keys()


def test_a_job_that_leaves_a_picture_out_does_not_count(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="2 results for 3 pictures"):
        job_of(tmp_path, 2)


def test_a_peer_whose_job_hangs_is_ended_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch_peers, "LOGS", tmp_path)
    monkeypatch.setattr(batch_peers, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(batch_peers, "command_of", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    no_server = Server("tendies", "tendies", MagicMock(), WORKLOAD, 2, 0, MagicMock())

    assert run_round(["beam"], WORKLOAD, tmp_path, no_server) == {}

    assert "Beam RunInference did not end within 0.5 s" in capsys.readouterr().err


def test_a_figure_stands_next_to_that_of_tensorflow_alone() -> None:
    row = row_of(WORKLOAD, LIMIT, "whole_rate", [(30.0, 10.0), (20.0, 10.0), (50.0, 10.0)])
    assert (row.value, row.reference, row.ratio) == (30.0, 10.0, 3.0)


def test_a_child_counts_also_when_it_has_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        family = Family([child.pid])
        assert child.stdout is not None
        child.stdout.readline()
        family.look()
        child.communicate(b"\n")
    family.look()
    assert family.cpu_s >= 0.05
    assert family.peak_bytes > 0


def test_every_file_of_a_folder_is_in_one_batch(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", "a/0.png"):
        write_result(tmp_path, Path(name), PNG)
    named = [[path.name for path in batch] for batch in batches(files_below(tmp_path), 2)]
    assert named == [["0.png", "1.png"], ["2.png"]]


def test_the_parts_of_a_run_of_the_dag_add_up() -> None:
    airflow, command = Times(0, 2, 3, 7, 8, 9), Times(20, 20, 21, 25, 25.5, 25.5)

    rows = {row.what: row for row in rows_of([(airflow, command)], [0.1, 0.3, 0.2], pictures=5)}

    parts = [row.value for what, row in rows.items() if row.compared_with == COMMAND and "whole" not in what]
    assert sum(parts) == rows["the whole batch, in Airflow"].value == 9.0
    assert rows["task start to first request, in Airflow"].reference == 1.0
    assert rows["what Airflow adds to a batch of 5 pictures"].value == 3.5
    assert rows["a DAG file's parse, over a bare DAG"].value == 0.2
