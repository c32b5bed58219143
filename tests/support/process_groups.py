"""Processes of a program that was started in a group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil


def command_line(pid: int) -> str:
    """Of a process; nothing of one that is gone."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


def parent_of(pid: int) -> int:
    """Its id; 0 of a process that is gone."""
    try:
        return psutil.Process(pid).ppid()
    except psutil.Error:
        return 0


def end_group(leader: subprocess.Popen[bytes]) -> None:
    """End all that the leader has started in its group: ask first, then force."""
    for number, patience_s in ((signal.SIGTERM, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(leader.pid, number)
        except ProcessLookupError:
            return
        if _group_gone(leader, patience_s):
            return


def _group_gone(leader: subprocess.Popen[bytes], patience_s: float) -> bool:
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        leader.poll()  # reaps the leader, which else would count as alive
        try:
            os.killpg(leader.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.2)
    return False
