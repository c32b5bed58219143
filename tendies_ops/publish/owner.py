"""The process that holds a lock or lease, and whether it is alive."""

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

_SAME_START_S = 3.0  # the boot time is in whole seconds, and read each time


@dataclass(frozen=True)
class Owner:
    """
    The identity of one process, unique even among containers on the same machine.

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
        """Return the identity of this process."""
        started_s = _seconds_after_boot(psutil.Process())
        return cls(user_name(), socket.gethostname(), _boot_id(), _pid_namespace(), os.getpid(), started_s)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Owner:
        """
        Build an Owner from the output of :meth:`to_json`.

        :raises (KeyError, TypeError, ValueError): the data is not that output.
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
        """Return JSON for a lock or lease file."""
        return asdict(self)

    def is_known_dead(self) -> bool:
        """Return True if the process is known to have ended; False also if that is not known."""
        return self.is_known_alive() is False

    def is_known_alive(self) -> bool | None:
        """Return True if the process runs, False if it has ended, None if that cannot be seen from here."""
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
    Touch a file from a thread, so that other hosts see that its owner is alive.

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
        """Stop touching; the file stays."""
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._interval_s):
            # Another host may have removed the file, or its file server may be unreachable for a time.
            with contextlib.suppress(OSError):
                try:
                    os.utime(self._path)  # without a time: the file server's clock, not ours
                except FileNotFoundError:
                    self._restore()


def user_name() -> str:
    """Return the user of this process. A container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _seconds_after_boot(process: psutil.Process) -> float:
    """Return the start of a process in seconds after the boot: psutil's absolute time moves with the clock."""
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
