from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tendies_ops.dev.error import DevError
from tendies_ops.dev.processes import find_marked, last_line, start, stop_marked

#: Starts a child in a session of its own, as Airflow does with its tasks, tells its id, and stays.
_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""
_SLEEPER = "import time; time.sleep(60)"
_DEAF_SLEEPER = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(60)
"""


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path


def _start_family(mark: Path, child: str = _SLEEPER, *, says: str = "") -> tuple[subprocess.Popen[bytes], int]:
    log_path = mark / "family.log"
    program = start(
        "a family",
        [sys.executable, "-c", _PARENT.format(child=child)],
        log_path=log_path,
        mark=mark,
        environment=dict(os.environ),
    )
    _wait(lambda: (text := log_path.read_text()).endswith("\n") and says in text)
    return program.process, int(log_path.read_text().replace(says, ""))


def _wait(check: Callable[[], bool], timeout_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline_s, "not in time"
        time.sleep(0.005)


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_grandchild_in_a_session_of_its_own_is_ended_too(mark: Path) -> None:
    parent, child_pid = _start_family(mark)
    assert stop_marked(mark) == 2
    assert parent.poll() is not None
    assert _is_gone(child_pid)


def test_what_outlived_its_killed_parent_is_found_by_the_mark_alone(mark: Path) -> None:
    parent, child_pid = _start_family(mark)
    parent.send_signal(signal.SIGKILL)
    parent.wait(timeout=10)
    assert [process.pid for process in find_marked(mark)] == [child_pid]
    assert stop_marked(mark) == 1
    assert _is_gone(child_pid)


def test_a_program_that_ignores_sigterm_is_forced(mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tendies_ops.dev.processes._PATIENCE_S", 0.1)
    _, child_pid = _start_family(mark, _DEAF_SLEEPER, says="deaf")
    stop_marked(mark)
    assert _is_gone(child_pid)


def test_another_checkouts_demo_is_left_alone(mark: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other_checkout")
    theirs, _ = _start_family(other)
    try:
        assert stop_marked(mark) == 0
        assert theirs.poll() is None
    finally:
        stop_marked(other)


def test_a_program_that_ended_by_itself_is_reported_with_its_last_words(mark: Path) -> None:
    program = start(
        "the parrot",
        [sys.executable, "-c", "print('pining'); print('bereft of life'); raise SystemExit(3)"],
        log_path=mark / "parrot.log",
        mark=mark,
        environment=dict(os.environ),
    )
    program.process.wait(timeout=10)
    with pytest.raises(DevError, match="the parrot ended with status 3: bereft of life"):
        program.check()


def test_a_program_that_said_nothing_is_reported(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_text("\n  \n")
    assert last_line(tmp_path / "empty.log") == "no output"
    assert last_line(tmp_path / "absent.log") == "no output"
