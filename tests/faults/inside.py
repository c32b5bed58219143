"""
Faults from inside: what a child of the launcher does to itself before it runs a command.

The disk's faults come through the interpreter's audit events, which every opening, renaming, linking and removing
passes, in C or in Python: the outermost edge that a process has without a library of its own below it. The kernel's
limits and a process without its capabilities are the real thing.
"""

from __future__ import annotations

import ctypes
import datetime
import errno
import os
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
#: Audit event -> whether it makes something new, which a full disk refuses.
_CHANGES = {
    "open": True,
    "os.mkdir": True,
    "os.link": True,
    "os.rename": False,
    "os.remove": False,
    "os.rmdir": False,
    "os.truncate": False,
    "shutil.rmtree": False,
}
_PACKAGE = f"{Path(__file__).parents[2]}/tendies_ops/"
_SLOW_S = 0.01
_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h


def install(faults: Sequence[dict[str, Any]]) -> None:
    """Put them in place, in order."""
    for fault in faults:
        words = dict(fault)
        _KINDS[words.pop("kind")](**words)


class _Counter:
    """
    Counts the places where a fault could strike, from any thread.

    :param into: a file that gets a byte for each.
    """

    def __init__(self, into: str = "") -> None:
        self._lock = threading.RLock()
        self._file = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if into else None
        self._seen = 0

    def next(self) -> int:
        with self._lock:
            if self._file is not None:
                os.write(self._file, b".")
            self._seen += 1
            return self._seen


def _at_file_operation(*, number: int, then: str, under: Sequence[str], count_into: str = "") -> None:
    """
    Act at the ``number``-th change below some folders.

    :param then: ``kill``; ``slow``: wait a moment at every change; an errno's name: refuse it and all that come after
        (a full disk refuses only what makes something new); ``count`` and ``count_new``: do nothing.
    """
    counter = _Counter(count_into)
    only_new = then in {"ENOSPC", "count_new"}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CHANGES or not _is_change(event, arguments, under):
            return
        if only_new and not _makes_something_new(event, arguments):
            return
        reached = counter.next() >= number
        if then == "slow":
            time.sleep(_SLOW_S)
        elif then == "kill" and reached:
            os.kill(os.getpid(), signal.SIGKILL)
        elif reached and not then.startswith("count"):
            raise _error(then, str(arguments[0]))

    sys.addaudithook(hook)


def _is_change(event: str, arguments: tuple[Any, ...], under: Sequence[str]) -> bool:
    try:
        path = os.fspath(arguments[0])
    except TypeError:
        return False  # a descriptor
    if event == "open" and not (len(arguments) > 2 and isinstance(arguments[2], int) and arguments[2] & _WRITING):
        return False
    name = os.fsdecode(path)
    return any(name.startswith(folder) for folder in under)


def _makes_something_new(event: str, arguments: tuple[Any, ...]) -> bool:
    return _CHANGES[event] and (event != "open" or bool(arguments[2] & os.O_CREAT))


def _error(name: str, path: str) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number), path)


def _at_line(*, number: int, parts: Sequence[str], count_into: str = "") -> None:
    """SIGKILL at the ``number``-th line that runs in these parts of the package, in whatever thread."""
    places = tuple(_PACKAGE + part for part in parts)
    counter = _Counter(count_into)

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        del frame, argument
        if event == "line" and counter.next() == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame: FrameType, event: str, argument: Any) -> Any:
        del event, argument
        return line if frame.f_code.co_filename.startswith(places) else None

    threading.settrace(call)
    sys.settrace(call)


def _failing_sync(*, number: int, count_into: str = "") -> None:
    """The ``number``-th fsync says EIO, as a dying disk does; what was to be synced may be lost."""
    real, counter = os.fsync, _Counter(count_into)

    def fsync(descriptor: Any) -> None:
        if counter.next() == number:
            raise _error("EIO", f"descriptor {descriptor}")
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment]  # the same but for its parameter's name


def _unreadable(*, name: str) -> None:
    """Opening a file of this name says EIO: a bad sector."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(name):
            raise _error("EIO", arguments[0])

    sys.addaudithook(hook)


def _largest_file(*, size_bytes: int) -> None:
    """The kernel refuses to write beyond this size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def _memory(*, more_bytes: int) -> None:
    """The kernel gives this much more address space than there is now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _no_capabilities() -> None:
    """Root without its rights over other people's files: then a file's mode counts."""
    if os.getuid() != 0:
        return
    header = struct.pack("II", _CAPABILITY_VERSION_3, 0)
    nothing = struct.pack("6I", *([0] * 6))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _clock(*, jump_s: float, after_calls: int) -> None:
    """The wall clock jumps when it has been read this many times."""
    real_time, seen = time.time, 0

    def now() -> float:
        nonlocal seen
        seen += 1
        return real_time() + (jump_s if seen > after_calls else 0.0)

    class Shifted(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Shifted:
            return cls.fromtimestamp(now(), tz)

    time.time = now
    time.time_ns = lambda: int(now() * 1e9)
    for name, module in list(sys.modules.items()):
        if name.startswith("tendies_ops.") and getattr(module, "datetime", None) is datetime.datetime:
            module.datetime = Shifted  # type: ignore[attr-defined]


def _stale_locks(*, after_s: float) -> None:
    """A lock that no one has touched for so long is taken over: a minute in earnest."""
    from tendies_ops.publish import lock

    _change_default(lock.lock_base_path.__wrapped__, "stale_after_s", after_s)  # type: ignore[attr-defined]


def _lock_timeout(*, after_s: float) -> None:
    """Wait less long for another holder of the lock: ten minutes in earnest."""
    from tendies_ops.release import release_model

    _change_default(release_model, "lock_timeout_s", after_s)


def _predict_timeout(*, after_s: float) -> None:
    """Wait less long for a golden image: a minute in earnest."""
    from tendies_ops.release.replicas.fleet import Fleet

    _change_default(Fleet.__init__, "predict_timeout_s", after_s)


def _change_default(function: Any, name: str, value: float) -> None:
    assert name in function.__kwdefaults__
    function.__kwdefaults__[name] = value


_KINDS: dict[str, Callable[..., None]] = {
    "at_file_operation": _at_file_operation,
    "at_line": _at_line,
    "failing_sync": _failing_sync,
    "unreadable": _unreadable,
    "largest_file": _largest_file,
    "memory": _memory,
    "no_capabilities": _no_capabilities,
    "clock": _clock,
    "stale_locks": _stale_locks,
    "lock_timeout": _lock_timeout,
    "predict_timeout": _predict_timeout,
}
