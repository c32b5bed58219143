"""A replica that goes away while it is asked for the golden images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tendies_ops.errors import ProofFailedError
from tendies_ops.publish.history import read_history
from tendies_ops.release import release_model, rollback_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import make_candidate
from tests.support.independent_checker import available_versions
from tests.support.watching_server import WatchingServer

OPTIONS = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)


@pytest.fixture
def restarting(base: Path) -> Iterator[WatchingServer]:
    with WatchingServer(base, restart_after_s=0.7) as running:
        yield running


def test_a_release_goes_on_when_the_server_is_back(tmp_path: Path, base: Path, restarting: WatchingServer) -> None:
    restarting.crashes_when_asked[1] = 1
    said: list[str] = []

    report = release_model(
        make_candidate(tmp_path / "c", by=10), base, [restarting.url], options=OPTIONS, on_step=said.append
    )

    assert (report.version, available_versions(restarting.url)) == (1, [1])
    assert [words for words in said if "is repeated when it serves again" in words and restarting.url in words]


def test_a_rollback_goes_on_when_the_server_is_back(tmp_path: Path, base: Path, restarting: WatchingServer) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [restarting.url], options=OPTIONS)
    restarting.crashes_when_asked[1] = 1

    report = rollback_model(base, [restarting.url], options=OPTIONS)

    assert (report.version, report.state) == (1, "rolled_back")
    assert available_versions(restarting.url) == [1]


def test_a_version_that_takes_the_server_down_whenever_it_is_asked_is_withdrawn(
    tmp_path: Path, base: Path, restarting: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "1", by=10), base, [restarting.url], options=OPTIONS)
    restarting.crashes_when_asked[2] = 2

    with pytest.raises(ProofFailedError, match="Version 1 serves on"):
        release_model(make_candidate(tmp_path / "2", by=20), base, [restarting.url], options=OPTIONS)

    assert available_versions(restarting.url) == [1]
    assert read_history(base)[-1].event == "withdrawn"
