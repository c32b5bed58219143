"""Fine turns of two servers: their order, what is counted, and how sure the median is."""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.optimize_pairs import LEAST_PAIRS, Burst, Pairs, Side, burst_of, compare_finely, cpu_clock_of
from bench.optimize_tables import optimised_versions
from bench.results import Row, median_interval, read_rows, write_result
from tendies_ops.export.optimize.measuring import Load

LOAD = Load(files=(b"picture",), batch_size=4, in_flight=2, requests_each=1)


class Asked:
    """Answers at once, and notes in a list of both that it was asked, and for how many pictures."""

    def __init__(self, name: str, asked: list[tuple[str, int]]) -> None:
        self._name, self._asked = name, asked

    def predict(self, files: Sequence[bytes]) -> list[bytes]:
        self._asked.append((self._name, len(files)))
        return list(files)


def side(name: str, asked: list[tuple[str, int]]) -> Side:
    return Side(Asked(name, asked), time.CLOCK_PROCESS_CPUTIME_ID)


def test_both_are_asked_the_same_in_turns_and_who_begins_changes() -> None:
    asked: list[tuple[str, int]] = []

    pairs = compare_finely(side("new", asked), side("plain", asked), LOAD, budget_s=0.0)

    counted = [name for name, _ in asked][-2 * LOAD.in_flight * LEAST_PAIRS :]
    bursts = [counted[at] for at in range(0, len(counted), LOAD.in_flight)]
    assert bursts == ["new", "plain", "plain", "new"] * (LEAST_PAIRS // 2)
    assert len(pairs) == LEAST_PAIRS
    assert {size for _, size in asked} == {LOAD.batch_size}


class Slow(Asked):
    """Takes 50 ms a picture."""

    def predict(self, files: Sequence[bytes]) -> list[bytes]:
        time.sleep(0.05 * len(files))
        return super().predict(files)


def test_a_burst_is_cut_down_to_some_tenths_of_a_second() -> None:
    slow = Side(Slow("plain", []), time.CLOCK_PROCESS_CPUTIME_ID)
    burst = burst_of([slow, slow], replace(LOAD, batch_size=32, requests_each=5))

    assert burst.requests_each == 1
    assert 1 < burst.batch_size < 8
    assert burst_of([side("plain", [])], LOAD).batch_size == LOAD.batch_size


def test_the_row_shows_how_many_times_as_fast_by_the_wall_and_by_cpu_time() -> None:
    pairs = Pairs([(Burst(0.5, 0.2), Burst(1.0, 0.8))] * 7, batch_size=3, starts=2)

    row = pairs.as_row("fold served", compared_with="float32 served", promise=">= 1")

    assert (row.value, row.reference, row.ratio, row.promise) == (2.0, 1.0, 2.0, ">= 1")
    assert row.more == {
        "pairs": 7,
        "starts": 2,
        "batch_size": 3,
        "median_between": (2.0, 2.0),
        "by_cpu_time": 4.0,
        "by_cpu_time_between": (4.0, 4.0),
    }


def test_the_interval_holds_the_median_of_skewed_noise_as_often_as_it_says() -> None:
    drawn = random.Random(3)
    held = 0
    for _ in range(2000):
        low, high = median_interval([drawn.expovariate(1.0) for _ in range(25)])
        held += low <= 0.6931 <= high

    assert 0.94 < held / 2000 < 0.98


@pytest.mark.parametrize(("count", "left_out"), [(1, 0), (5, 0), (6, 0), (9, 1), (100, 39)])
def test_the_interval_leaves_out_as_many_on_each_side_as_the_sign_test_allows(count: int, left_out: int) -> None:
    assert median_interval(range(count)) == (left_out, count - 1 - left_out)


def test_the_clock_of_a_process_is_that_processs() -> None:
    command = [sys.executable, "-c", "sum(range(10**6)); print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        clock = cpu_clock_of(process.pid)
        spent_s = time.clock_gettime(clock)
        assert spent_s > 0
        assert time.clock_gettime(clock) == spent_s, "it waits"
        process.communicate(b"\n")


def test_a_process_that_is_gone_has_no_clock() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(OSError, match=os.strerror(3)):
        cpu_clock_of(process.pid)


def test_the_page_shows_pairs_and_rounds_each_in_a_table_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.results.RESULTS", tmp_path)
    bursts = [(Burst(1.0, 0.9 + number / 100), Burst(1.01 + number / 1000, 0.9)) for number in range(9)]
    spread = {"least_ratio": 1.2, "largest_ratio": 1.6, "taken": "bfloat16"}
    taken = Row("net, what auto takes", 3.0, "images/s", "float32 served", 2.0, 1.5, ">= 0.98", spread)
    fused = Pairs(bursts, batch_size=1, starts=3).as_row(
        "net, float32 served", compared_with="as frozen, served", promise=">= 1.07"
    )
    path = write_result("optimize", [fused, taken], rounds=6)

    told = optimised_versions(tmp_path)

    assert "| net, float32 served | 1.014 | 1.011 to 1.017 | 0.957 | 0.928 to 0.989 | 9 |" in told
    assert "| net, what auto takes | 1.500 | 1.20 to 1.60 | bfloat16 |" in told
    assert read_rows(path)[0].ratio == statistics.median(ref.wall_s / own.wall_s for own, ref in bursts)
