from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tendies_ops.errors import LockHeldError
from tendies_ops.publish import lock
from tendies_ops.publish.layout import STATE_DIRECTORY
from tendies_ops.publish.lock import STALE_AFTER_S, LockSeen, StaleWatch, lock_base_path
from tendies_ops.publish.owner import Owner


class Clock:
    """
    Time that passes only while somebody sleeps.

    :param meanwhile: called at each sleep with the seconds that have passed.
    """

    def __init__(self, meanwhile: Callable[[float], None]) -> None:
        self._now_s = 0.0
        self.meanwhile = meanwhile

    def monotonic(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self._now_s += seconds
        self.meanwhile(self._now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What waiters live by, here."""
    clock = Clock(lambda now_s: None)
    monkeypatch.setattr(lock, "time", clock)
    return clock


def write_lock(base: Path, owner: Owner, generation: int = 1) -> Path:
    (base / STATE_DIRECTORY).mkdir(exist_ok=True)
    path = base / STATE_DIRECTORY / f"lock.{generation}"
    path.write_text(json.dumps({"owner": owner.to_json(), "purpose": "release of stripes"}))
    return path


def test_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_POLL_S", 0.01)
    inside, most, gate = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with lock_base_path(tmp_path, purpose="test"):
            with gate:
                inside += 1
                most = max(most, inside)
            time.sleep(0.01)
            with gate:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert most == 1


@pytest.mark.usefixtures("clock")
def test_a_wait_that_is_too_long_ends_with_the_name_of_the_holder(tmp_path: Path) -> None:
    with (
        lock_base_path(tmp_path, purpose="release of stripes"),
        pytest.raises(LockHeldError, match=rf"process {os.getpid()}.*release of stripes"),
        lock_base_path(tmp_path, purpose="other", timeout_s=30.0),
    ):
        pass


def test_a_lock_of_a_dead_process_on_this_machine_is_taken_over_at_once(tmp_path: Path) -> None:
    write_lock(tmp_path, replace(Owner.me(), process_started_s=1.0))

    with lock_base_path(tmp_path, purpose="test", timeout_s=0.5) as held:
        assert held.generation == 2


def test_a_lock_of_another_host_is_respected_while_it_is_touched(tmp_path: Path, clock: Clock) -> None:
    path = write_lock(tmp_path, replace(Owner.me(), host="other", pid=1))
    clock.meanwhile = lambda now_s: os.utime(path, (now_s // 10, now_s // 10))  # a beat every ten seconds

    with pytest.raises(LockHeldError, match="@other"), lock_base_path(tmp_path, purpose="test", timeout_s=200.0):
        pass


def test_a_lock_of_another_host_that_went_silent_is_taken_over(tmp_path: Path, clock: Clock) -> None:
    write_lock(tmp_path, replace(Owner.me(), host="other"))

    with lock_base_path(tmp_path, purpose="test", timeout_s=600.0) as held:
        assert held.generation == 2
    assert STALE_AFTER_S <= clock.monotonic() < STALE_AFTER_S + 1


@pytest.mark.usefixtures("clock")
def test_another_container_on_this_machine_is_not_taken_for_dead(tmp_path: Path) -> None:
    write_lock(tmp_path, replace(Owner.me(), pid_namespace="pid:[1]", pid=2**22 + 1))

    with pytest.raises(LockHeldError), lock_base_path(tmp_path, purpose="test", timeout_s=STALE_AFTER_S / 2):
        pass


def test_an_owner_that_was_passed_over_is_stopped_at_its_next_step(tmp_path: Path) -> None:
    with lock_base_path(tmp_path, purpose="paused") as held:
        write_lock(tmp_path, Owner.me(), generation=held.generation + 1)

        with pytest.raises(LockHeldError, match="took over"):
            held.check()


@pytest.mark.usefixtures("clock")
def test_a_lock_file_that_no_one_can_read_is_respected(tmp_path: Path) -> None:
    (tmp_path / STATE_DIRECTORY).mkdir()
    (tmp_path / STATE_DIRECTORY / "lock.5").write_text("???")

    with pytest.raises(LockHeldError, match="unknown process"), lock_base_path(tmp_path, purpose="t", timeout_s=30.0):
        pass


@pytest.mark.usefixtures("clock")
def test_a_mount_without_links_has_locks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)

    with (
        lock_base_path(tmp_path, purpose="release of stripes"),
        pytest.raises(LockHeldError, match="release of stripes"),
        lock_base_path(tmp_path, purpose="other", timeout_s=30.0),
    ):
        pass
    with lock_base_path(tmp_path, purpose="next", timeout_s=1.0) as held:
        assert held.generation == 2


@pytest.mark.usefixtures("clock")
def test_a_link_whose_answer_was_lost_on_its_way_is_known_for_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def asked_twice(*paths: Path) -> None:
        link(*paths)
        link(*paths)  # as an NFS client does when the first answer does not come: this one says EEXIST

    monkeypatch.setattr(os, "link", asked_twice)

    with (
        lock_base_path(tmp_path, purpose="release of stripes", timeout_s=30.0) as held,
        pytest.raises(LockHeldError, match="release of stripes"),
        lock_base_path(tmp_path, purpose="other", timeout_s=30.0),
    ):
        pass
    assert held.generation == 1


def test_staleness_is_measured_on_the_waiters_own_clock() -> None:
    watch = StaleWatch(60.0)
    seen = LockSeen(3, released=False, touched_ns=5)

    assert not watch.is_stale(seen, now_s=0.0, known_dead=False)
    assert not watch.is_stale(seen, now_s=59.0, known_dead=False)
    assert not watch.is_stale(replace(seen, touched_ns=6), now_s=100.0, known_dead=False)
    assert watch.is_stale(replace(seen, touched_ns=6), now_s=160.0, known_dead=False)


def test_old_generations_do_not_pile_up(tmp_path: Path) -> None:
    for _ in range(30):
        with lock_base_path(tmp_path, purpose="test"):
            pass

    assert len(list((tmp_path / STATE_DIRECTORY).glob("lock.*"))) <= 8
