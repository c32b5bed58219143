"""A rollback waits for no batch run, and for no release that does."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from tendies_ops.errors import NotNowError
from tendies_ops.publish.leases import hold_lease
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.release import release_model, rollback_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import make_candidate
from tests.support.watching_server import WatchingServer

PATIENT = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)
_LOCK_TIMEOUT_S = 30.0  # far less than the release waits for the run


@pytest.fixture
def two_versions(base: Path, server: WatchingServer, tmp_path: Path) -> Path:
    for by in (10, 20):
        release_model(make_candidate(tmp_path / str(by), by=by), base, [server.url], options=PATIENT)
    return base


def test_a_rollback_does_not_wait_for_a_run_that_uses_the_version_it_takes_away(
    two_versions: Path, server: WatchingServer
) -> None:
    with hold_lease(two_versions, 2, holder="batch run of the night"):
        report = rollback_model(two_versions, [server.url], options=PATIENT, reason="too dark")

    assert (report.state, report.version) == ("rolled_back", 1)


def test_a_rollback_passes_a_release_that_waits_for_a_run(
    two_versions: Path, server: WatchingServer, tmp_path: Path
) -> None:
    """The run begins while the release waits for the lock, so the release meets it under the lock."""
    candidate = make_candidate(tmp_path / "30", by=30)
    released: list[int] = []
    waits = threading.Event()

    def note(words: str) -> None:
        if words.startswith("Waiting up to"):
            waits.set()

    def release() -> None:
        report = release_model(candidate, two_versions, [server.url], options=PATIENT, on_step=note)
        released.append(report.version)

    releasing = threading.Thread(target=release)
    with ExitStack() as run:
        with lock_base_path(two_versions, purpose="another release"):
            releasing.start()
            releasing.join(1.0)  # it has found no run, and waits for the lock
            run.enter_context(hold_lease(two_versions, 2, holder="batch run of the night"))
        assert waits.wait(60)
        report = rollback_model(two_versions, [server.url], options=PATIENT, lock_timeout_s=_LOCK_TIMEOUT_S)
        assert (report.state, report.version) == ("rolled_back", 1)
    releasing.join(60)

    assert released == [3]


def test_a_release_gives_up_after_its_time_however_often_runs_begin(
    two_versions: Path, server: WatchingServer, tmp_path: Path
) -> None:
    options = PATIENT.model_copy(update={"lease_wait_s": 0.5})

    with (
        hold_lease(two_versions, 2, holder="batch run of the night"),
        pytest.raises(NotNowError, match="batch run of the night"),
    ):
        release_model(make_candidate(tmp_path / "30", by=30), two_versions, [server.url], options=options)
    assert server.serving() == [2]
