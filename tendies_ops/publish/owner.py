"""Which process on which machine holds something, and whether it still lives."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

_SAME_START_S = 3.0  # the boot time is told in whole seconds, once at each look


@dataclass(frozen=True)
class Owner:
    """
    One process, told apart from all others: also from those of another container on the same machine.

    Two containers share the boot id and may have the same pids, so the pid namespace is part of the identity.
    """

    user: str
    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    process_started_s: float  #: after the boot: seconds since 1970 would move with every correction of the clock

    @classmethod
    def me(cls) -> Owner:
        """The process that asks."""
        started_s = _seconds_after_boot(psutil.Process())
        return cls(user_name(), socket.gethostname(), _boot_id(), _pid_namespace(), os.getpid(), started_s)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Owner:
        """
        Read what :meth:`to_json` wrote.

        :raises (KeyError, TypeError, ValueError): it is something else.
        """
        return cls(
            str(data["user"]),
            str(data["host"]),
            str(data["boot_id"]),
            str(data["pid_namespace"]),
            int(data["pid"]),
            float(data["process_started_s"]),
        )

    def to_json(self) -> dict[str, Any]:
        """For a lock or lease file."""
        return asdict(self)

    def is_known_dead(self) -> bool:
        """Return whether it ran where this process can look, and does not run any more. False if unknown."""
        return self.is_known_alive() is False

    def is_known_alive(self) -> bool | None:
        """Return whether it runs where this process can look. None if unknown."""
        mine = (socket.gethostname(), _boot_id(), _pid_namespace())
        if (self.host, self.boot_id, self.pid_namespace) != mine:
            return None
        try:
            process = psutil.Process(self.pid)
            same = abs(_seconds_after_boot(process) - self.process_started_s) < _SAME_START_S
            return same and process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
        except psutil.NoSuchProcess:
            return False
        except psutil.Error:
            return None

    def __str__(self) -> str:
        return f"{self.user}@{self.host}, process {self.pid}"


class Heartbeat:
    """
    Touches a file from a thread, so that other hosts see that its owner lives.

    :param restore: makes the file again if it was removed; absent: it stays removed.
    """

    def __init__(self, path: Path, *, interval_s: float, restore: Callable[[], None] = lambda: None) -> None:
        self._path = path
        self._interval_s = interval_s
        self._restore = restore
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat {path.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; the file stays."""
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._interval_s):
            # The file may be gone because another host took over, or its file server may be away and come back.
            with contextlib.suppress(OSError):
                try:
                    os.utime(self._path)  # without a time: the file server's clock, not ours
                except FileNotFoundError:
                    self._restore()


def user_name() -> str:
    """Return who runs this. A container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _seconds_after_boot(process: psutil.Process) -> float:
    """When it began. The boot time moves with the clock, and what psutil says of a process is counted from it."""
    boot_s: float = psutil.boot_time()
    return float(process.create_time()) - boot_s


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"booted {psutil.boot_time():.0f}"


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
