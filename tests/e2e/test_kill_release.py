"""Releases and rollbacks killed at any moment, under load: the next one puts everything in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.publish.history import read_history
from tendies_ops.release import list_versions, release_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.killing import kill_at_random, leftovers
from tests.support.steady_load import SteadyLoad
from tests.support.watching_server import WatchingServer

SCRIPT = Path(__file__).with_name("killed_release.py")
OPTIONS = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=2)


@pytest.mark.parametrize(
    "rounds",
    [pytest.param(40, id="40"), pytest.param(500, id="500", marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_after_any_kill_the_next_release_succeeds_and_no_one_noticed(
    tmp_path: Path, base: Path, scratch: Path, rounds: int
) -> None:
    with WatchingServer(base) as server:
        release_model(make_candidate(tmp_path / "first", by=1), base, [server.url], options=OPTIONS)
        with SteadyLoad(server.url, MODEL_NAME, picture(77)) as load:
            count = kill_at_random(SCRIPT, str(base), str(scratch), server.url, rounds=rounds, seed=7, timeout_s=1100)
            new = make_candidate(tmp_path / "last", by=254)  # which no round makes, of 500 either
            last = release_model(new, base, [server.url], options=OPTIONS)
        serving = server.serving()

    assert count.failed == 0, count.words
    assert count.killed > rounds / 2, "the kills came too late to mean anything"
    assert load.failures == []
    assert load.answered > rounds
    assert set(load.pictures) <= {shift(picture(77), by) for by in range(256)}
    assert (last.state, serving) == ("released", [last.version])
    assert leftovers(base) == []
    assert_history_tells_what_is_there(base)


def assert_history_tells_what_is_there(base: Path) -> None:
    last_event = {record.version: record.event for record in read_history(base)}
    for entry in list_versions(base).versions:
        expected = {"withdrawn"} if entry.state == "withdrawn" else {"released", "rolled_back"}
        assert last_event[entry.version] in expected, f"version {entry.version}: {entry.state}, {last_event}"
