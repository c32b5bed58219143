from __future__ import annotations

import itertools
from collections import Counter

import pytest

from bench import profile, profiled_server, stages
from bench.graph_time import NETWORK, shares_of
from bench.profile import REPORT, Spent, divided, rest_added, rows_of
from bench.stages import Meter, measuring


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at it is a second later."""
    ticks = itertools.count(10, 1_000_000_000)
    monkeypatch.setattr("bench.stages.time.thread_time_ns", lambda: next(ticks))


@pytest.mark.usefixtures("clock")
def test_a_stage_is_not_charged_for_the_stages_inside_it() -> None:
    meter = Meter("the rest")
    inner = meter.measured(lambda: None, "inner")
    outer = meter.measured(lambda: (inner(), inner()), "outer")

    outer()

    assert {stage: round(cpu_s) for stage, cpu_s in meter.cpu_s().items()} == {"the rest": 0, "outer": 3, "inner": 2}


def test_a_function_that_fails_is_charged_and_the_thread_goes_on_where_it_was() -> None:
    meter = Meter("the rest")

    def fail() -> None:
        raise ValueError("as it must")

    with pytest.raises(ValueError, match="as it must"):
        meter.measured(fail, "failing")()
    assert meter.cpu_s()["failing"] > 0
    meter.measured(int, "next")()
    assert set(meter.cpu_s()) == {"the rest", "failing", "next"}


@pytest.mark.parametrize("table", [profile.STAGES, profiled_server.STAGES])
def test_every_function_of_a_stage_is_there_and_is_itself_again_afterwards(table: stages.Stages) -> None:
    def functions() -> list[object]:
        places = [stages._owner_of(place) for names in table.values() for place in names]
        return [getattr(owner, name) for owner, name in places]

    before = functions()
    with measuring(Meter("the rest"), table):
        assert not any(one is other for one, other in zip(before, functions(), strict=True))
    assert functions() == before


def test_operations_are_decoding_encoding_or_the_network_and_control_is_none() -> None:
    labels = ["a = DecodeImage(x)", "b = EncodePng(y)", "c = Conv2D(z)", "d = Add(z)", "_SOURCE = NoOp()"]
    shares = shares_of((label, 25) for label in labels)
    assert shares == {"decode the pictures": 0.25, "encode the results": 0.25, NETWORK: 0.5}


def test_the_stages_of_a_picture_add_up_to_the_processes_without_the_report() -> None:
    of_client = rest_added(Counter({"read": 1.0, REPORT: 2.0}), 4.0, profile.RUN)
    spent = Spent(10, 5.0, {**of_client, profiled_server.TENSORFLOW: 6.0})

    rows = rows_of("made up", [(spent, spent)], {"decode": 0.5, NETWORK: 0.5})

    per_picture = {row.what: row.value for row in rows if row.unit == "CPU us/image"}
    assert per_picture == {"decode": 3e5, NETWORK: 3e5, "read": 1e5, profile.RUN: 1e5}
    assert {row.reference for row in rows if row.what in per_picture} == {8e5}
    assert next(row.value for row in rows if row.what.startswith(REPORT)) == 2000.0
    assert divided(spent.stages_cpu_s, {"all": 1.0})["all"] == 6.0
