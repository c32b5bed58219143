from __future__ import annotations

import errno
import signal
import time
from pathlib import Path

import pytest

from tendies_ops.errors import LoadFailedError, ProofFailedError, ReleaseError
from tendies_ops.files import write_text_atomically
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release import list_versions, release_model, rollback_model
from tendies_ops.release.record import journal
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import make_candidate
from tests.support.watching_server import WatchingServer

QUICK = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)


def versions_in(base: Path) -> list[int]:
    return [child.version for child in list_version_dirs(base)]


def test_a_first_release_and_a_second_serve_their_own_pictures(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    first = release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    second = release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=QUICK)

    assert (first.state, first.version, first.previous_version) == ("released", 1, None)
    assert (second.state, second.version, second.previous_version) == ("released", 2, 1)
    assert server.serving() == [2]


def test_a_version_that_does_not_load_is_withdrawn_with_the_servers_words(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a"), base, [server.url], options=QUICK)
    broken = make_candidate(tmp_path / "b", by=20, error="INTERNAL: the loader has a headache")

    with pytest.raises(LoadFailedError, match=r"the loader has a headache.*Version 1 serves on .*proved"):
        release_model(broken, base, [server.url], options=QUICK)

    assert versions_in(base) == [1]
    assert (base / "2.withdrawn-load-failed").is_dir()
    assert server.serving() == [1]


def test_wrong_pixels_are_found_and_the_previous_version_is_loaded_again(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a"), base, [server.url], options=QUICK)

    with pytest.raises(ProofFailedError, match=r"differs from the promised one by up to"):
        release_model(make_candidate(tmp_path / "b", by=20, promised_by=21 + 5), base, [server.url], options=QUICK)

    assert server.serving() == [1]


def test_a_withdrawn_number_is_never_used_again(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    release_model(make_candidate(tmp_path / "a"), base, [server.url], options=QUICK)
    with pytest.raises(LoadFailedError):
        release_model(make_candidate(tmp_path / "b", by=20, error="INTERNAL: no"), base, [server.url], options=QUICK)

    third = release_model(make_candidate(tmp_path / "c", by=30), base, [server.url], options=QUICK)

    assert third.version == 3


def test_the_same_content_again_is_no_new_version(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    candidate = make_candidate(tmp_path / "a")
    release_model(candidate, base, [server.url], options=QUICK)

    again = release_model(candidate, base, [server.url], options=QUICK)

    assert (again.state, again.version) == ("already_serving", 1)
    assert versions_in(base) == [1]


def test_rollback_goes_to_the_version_before(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    for number in (1, 2, 3):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [server.url], options=QUICK)

    report = rollback_model(base, [server.url], options=QUICK, reason="seams")

    assert (report.state, report.version, report.previous_version) == ("rolled_back", 2, 3)
    assert server.serving() == [2]
    listed = {entry.version: entry for entry in list_versions(base, [server.url]).versions}
    assert listed[3].state == "withdrawn"
    assert listed[3].reason == "seams"
    assert listed[2].serving_on == (server.url,)


def test_a_rollback_that_is_asked_for_twice_by_one_request_goes_back_once(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    for number in (1, 2, 3):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [server.url], options=QUICK)

    first = rollback_model(base, [server.url], options=QUICK, request="run of tonight")
    again = rollback_model(base, [server.url], options=QUICK, request="run of tonight")
    other = rollback_model(base, [server.url], options=QUICK, request="run of tomorrow")

    assert [report.version for report in (first, again, other)] == [2, 2, 1]
    assert [report.state for report in (first, again, other)] == ["rolled_back"] * 3


def test_rollback_to_a_named_version_loads_none_in_between(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    for number in (1, 2, 3):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [server.url], options=QUICK)
    server.loads.clear()

    rollback_model(base, [server.url], to_version=1, options=QUICK)

    assert server.loads == [1]
    assert server.serving() == [1]


def test_a_disk_that_fills_up_after_the_rename_takes_the_version_back_in_words(
    tmp_path: Path, base: Path, server: WatchingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_model(make_candidate(tmp_path / "a"), base, [server.url], options=QUICK)
    write = write_text_atomically

    def full(path: Path, text: str) -> None:
        if '"phase": "staged"' not in text:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, text)

    monkeypatch.setattr(journal, "write_text_atomically", full)
    with pytest.raises(ReleaseError, match=r"No space left on device"):
        release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=QUICK)
    monkeypatch.undo()

    assert versions_in(base) == [1]
    report = release_model(make_candidate(tmp_path / "c", by=30), base, [server.url], options=QUICK)
    assert (report.version, server.serving()) == (3, [3])


def test_a_release_that_went_through_is_no_failure_because_its_report_cannot_be_kept(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a"), base, [server.url], options=QUICK)

    def be_in_the_way(words: str) -> None:
        if words.startswith("Published"):
            (base / ".tendies" / "releases").rename(tmp_path / "releases")
            (base / ".tendies" / "releases").write_text("in the way")
            (base / ".tendies" / "memory.json").mkdir()

    big = make_candidate(tmp_path / "b", by=20, size_bytes=40 << 20)
    report = release_model(big, base, [server.url], options=QUICK, on_step=be_in_the_way)

    assert (report.state, report.version, report.report_path) == ("released", 2, "")
    assert any("report could not be kept" in note for note in report.notes)
    assert any("memory it took could not be kept" in note for note in report.notes)


def test_a_version_that_tendies_did_not_make_is_gone_back_to_all_the_same(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    foreign = make_candidate(tmp_path / "foreign", by=10)
    (foreign / "assets.extra" / "tendies.json").unlink()
    foreign.rename(base / "4")
    server.wait_until_serving(4)

    with pytest.raises(LoadFailedError, match=r"Version 5 of .*Version 4 serves on .*no golden images"):
        release_model(make_candidate(tmp_path / "b", by=20, error="INTERNAL: no"), base, [server.url], options=QUICK)

    assert server.serving() == [4]


def test_the_last_version_that_can_serve_is_not_withdrawn(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)

    def damage_the_old_one(words: str) -> None:
        if words.startswith("Published"):
            (base / "1" / "saved_model.pb").write_bytes(b"damaged")

    with pytest.raises(ProofFailedError, match=r"NOT withdrawn: version 1 is gone or damaged"):
        release_model(
            make_candidate(tmp_path / "b", by=20, promised_by=21),
            base,
            [server.url],
            options=QUICK,
            on_step=damage_the_old_one,
        )

    assert server.serving() == [2]


class OutOfTimeError(BaseException):
    """As Airflow raises it in the middle of whatever a task does when its ``execution_timeout`` is over."""


def test_an_exception_out_of_nowhere_takes_the_version_back_at_once(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    def out_of_time(*_: object) -> None:
        raise OutOfTimeError

    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    slow = make_candidate(tmp_path / "b", by=20, load_s=60.0)
    before = signal.signal(signal.SIGALRM, out_of_time)
    started_s = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        with pytest.raises(OutOfTimeError):
            release_model(slow, base, [server.url], options=QUICK)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert time.monotonic() - started_s < 15.0, "the undoing waited for a deadline that nobody cares about any more"
    assert server.serving() == [1]
    assert versions_in(base) == [1]
