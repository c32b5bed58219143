"""A release or rollback killed in each of its phases, and what the next run makes of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tendies_ops.errors import LockHeldError, ReleaseError
from tendies_ops.files import sync_directory
from tendies_ops.publish import layout
from tendies_ops.publish.history import read_history
from tendies_ops.publish.layout import STATE_DIRECTORY
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.release import release_model, rollback_model
from tendies_ops.release.record.journal import read_journal
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import make_candidate
from tests.support.independent_checker import available_versions
from tests.support.watching_server import WatchingServer

OPTIONS = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)
KILLED = """
import os, sys
from pathlib import Path
import tendies_ops.release.record.journal as journals
from tendies_ops.release import release_model, rollback_model
from tendies_ops.spec import ReleaseSpec

write = journals.write_journal

def write_and_be_killed(base, journal):
    write(base, journal)
    if journal.phase == sys.argv[1]:
        os.kill(os.getpid(), 9)

journals.write_journal = write_and_be_killed
options = ReleaseSpec(available_timeout_s=5, restore_timeout_s=5)
base, server = Path(sys.argv[2]), sys.argv[3]
if sys.argv[4] == "rollback":
    rollback_model(base, [server], options=options)
else:
    release_model(Path(sys.argv[4]), base, [server], options=options)
"""


def killed(phase: str, base: Path, server: WatchingServer, what: Path | str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, phase, str(base), server.url, str(what)], check=False, capture_output=True
    )
    assert done.returncode == -9, done.stderr.decode()
    assert read_journal(base) is not None


@pytest.fixture
def two(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [server.url], options=OPTIONS)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("phase", ["staged", "loading", "available", "proved"])
def test_the_same_release_again_goes_on_where_it_was(
    tmp_path: Path, base: Path, server: WatchingServer, phase: str
) -> None:
    candidate = make_candidate(tmp_path / "c", by=30)
    killed(phase, base, server, candidate)

    report = release_model(candidate, base, [server.url], options=OPTIONS)

    assert (report.version, report.previous_version) == (3, 2)
    assert [r.version for r in read_history(base) if r.event == "released"] == [1, 2, 3]
    assert available_versions(server.url) == [3]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize(
    ("phase", "stays"), [("staged", False), ("loading", True), ("available", True), ("proved", True)]
)
def test_another_release_finishes_what_had_proved_itself_and_undoes_the_rest(
    tmp_path: Path, base: Path, server: WatchingServer, phase: str, stays: bool
) -> None:
    server.overrides = {"load_s": 0.7, "only_above": 2}
    killed(phase, base, server, make_candidate(tmp_path / "c", by=30))

    report = release_model(make_candidate(tmp_path / "d", by=40), base, [server.url], options=OPTIONS)

    assert report.previous_version == (3 if stays else 2)
    assert read_journal(base) is None


@pytest.mark.usefixtures("two")
def test_a_withdrawal_that_was_killed_is_finished_with_its_reason(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    killed("withdrawing", base, server, make_candidate(tmp_path / "c", by=30, promised_by=31))
    assert (base / "3").is_dir()

    report = release_model(make_candidate(tmp_path / "d", by=40), base, [server.url], options=OPTIONS)

    assert (report.version, report.previous_version) == (4, 2)
    [record] = [r for r in read_history(base) if r.event == "withdrawn"]
    assert record.version == 3
    assert "differs from the promised one" in record.reason


@pytest.mark.usefixtures("two")
def test_a_killed_rollback_is_finished_by_the_next_rollback(base: Path, server: WatchingServer) -> None:
    killed("rolling_back", base, server, "rollback")

    report = rollback_model(base, [server.url], options=OPTIONS)

    assert (report.version, report.state) == (1, "rolled_back")
    assert available_versions(server.url) == [1]
    assert [r.event for r in read_history(base)][-2:] == ["withdrawn", "rolled_back"]


@pytest.mark.usefixtures("two")
def test_a_released_version_is_not_withdrawn_because_its_second_proof_was_killed(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    killed("loading", base, server, tmp_path / "2")
    server.overrides = {"error": "INTERNAL: nothing new loads today", "only_above": 2}

    with pytest.raises(ReleaseError, match="nothing new loads today"):
        release_model(make_candidate(tmp_path / "d", by=40), base, [server.url], options=OPTIONS)

    assert available_versions(server.url) == [2]


class KilledError(BaseException):
    """Nothing is undone where it is raised, as after ``kill -9``."""


@pytest.mark.usefixtures("two")
def test_a_release_that_was_killed_twice_is_known_to_the_next(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    wrong = make_candidate(tmp_path / "c", by=30, promised_by=31)
    killed("loading", base, server, wrong)

    def kill(words: str) -> None:
        if "has this content already" in words:
            raise KilledError

    with pytest.raises(KilledError):
        release_model(wrong, base, [server.url], options=OPTIONS, on_step=kill)
    report = release_model(make_candidate(tmp_path / "d", by=40), base, [server.url], options=OPTIONS)

    assert (report.version, report.previous_version) == (4, 2)
    assert (base / "3.withdrawn-killed").is_dir()


def test_a_release_that_was_paused_and_passed_over_changes_nothing_any_more(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "1", by=10), base, [server.url], options=OPTIONS)

    def be_passed_over(words: str) -> None:
        if words.startswith("Published"):
            with lock_base_path(base, purpose="the other host", stale_after_s=0.0):
                pass
            release_model(make_candidate(tmp_path / "3", by=30), base, [server.url], options=OPTIONS)

    hurried = OPTIONS.model_copy(update={"available_timeout_s": 1.0})
    with pytest.raises(LockHeldError, match="took over the lock"):
        release_model(
            make_candidate(tmp_path / "2", by=20), base, [server.url], options=hurried, on_step=be_passed_over
        )

    assert available_versions(server.url) == [3]
    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["1", "2", "3"]
    assert read_journal(base) is None


def test_a_journal_that_cannot_be_read_is_not_taken_for_none(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a"), base, [server.url], options=OPTIONS)
    (base / STATE_DIRECTORY / "journal.json").write_text("{")

    with pytest.raises(ReleaseError, match=r"The journal of a killed release, .*journal\.json, cannot be read"):
        release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=OPTIONS)

    assert available_versions(server.url) == [1]


def test_what_a_hiccup_of_the_disk_kept_is_gone_when_a_release_is_through(
    tmp_path: Path, base: Path, server: WatchingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base / f"{layout.STAGING_PREFIX}of-a-killed-one").mkdir(parents=True)
    failed: list[Path] = []

    def fail_once(directory: Path) -> None:
        if not failed:
            failed.append(directory)
            raise OSError(5, "Input/output error")
        sync_directory(directory)

    monkeypatch.setattr(layout, "sync_directory", fail_once)
    release_model(make_candidate(tmp_path / "1", by=10), base, [server.url], options=OPTIONS)

    assert failed == [base]
    assert sorted(path.name for path in base.iterdir()) == [STATE_DIRECTORY, "1"]
