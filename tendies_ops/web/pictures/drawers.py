"""A few processes that draw pictures, one picture at a time each, and are killed when one takes too long."""

from __future__ import annotations

import json
import os
import queue
import select
import signal
import subprocess
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from tendies_ops.web.limits.children import start_child
from tendies_ops.web.pictures.drawing import LENGTH, MAX_CPU_S, NotAPictureError
from tendies_ops.web.safety import BusyError

DRAWERS = 2  #: processes; each may use 1 GiB while it draws
_PATIENCE_S = 20.0  # of a caller that waits for one of them
_LONGEST_S = 20.0  # of one picture, for a machine that gives the process no time
_LONGEST_ANSWER_BYTES = 32 << 20


class Drawers:
    """
    A pool of drawing processes. Threads may share it.

    :param processes: pictures that are drawn at the same time.
    :param longest_s: time for one picture, after which its process is killed.
    """

    def __init__(self, processes: int = DRAWERS, *, longest_s: float = _LONGEST_S) -> None:
        self._idle: queue.LifoQueue[Drawer] = queue.LifoQueue()
        for _ in range(processes):
            self._idle.put(Drawer(longest_s))

    def draw(self, path: Path, *, side: int) -> bytes:
        """
        Draw a picture; the arguments and errors are those of :func:`.drawing.encode_safely`.

        :raises BusyError: no process was free in time, or it was given no time to draw it.
        """
        try:
            drawer = self._idle.get(timeout=_PATIENCE_S)
        except queue.Empty:
            raise BusyError("Other pictures are still being drawn.") from None
        try:
            return drawer.draw(path, side=side)
        finally:
            self._idle.put(drawer)


class Drawer:
    """One process, started when it is needed and again after it was killed."""

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._process: subprocess.Popen[bytes] | None = None

    def draw(self, path: Path, *, side: int) -> bytes:
        """Draw one picture; the process does not survive one that costs too much."""
        process = self._running()
        deadline_s = time.monotonic() + self._longest_s
        wanted = {"path": os.fsencode(path.absolute()).hex(), "side": side}
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(wanted).encode() + b"\n")
            process.stdin.flush()
            drawn, length = LENGTH.unpack(_read(process, LENGTH.size, deadline_s))
            answer = _read(process, min(length, _LONGEST_ANSWER_BYTES), deadline_s)
        except TimeoutError as error:
            self.stop()
            raise BusyError("It could not be drawn in time.") from error
        except (OSError, EOFError) as error:
            raise _reason_of(self._end_of(process)) from error
        if not drawn:
            raise NotAPictureError(answer.decode("utf-8", "replace"))
        return answer

    def stop(self) -> None:
        """Kill the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.stop()
            try:
                self._process = start_child("tendies_ops.web.pictures.drawing", answers=True)
                _read(self._process, LENGTH.size, time.monotonic() + self._longest_s)
            except (OSError, EOFError, TimeoutError) as error:
                self.stop()
                raise BusyError("No process to draw pictures can be started now.") from error
        return self._process

    def _end_of(self, process: subprocess.Popen[bytes]) -> int:
        try:
            return process.wait(1.0)
        except subprocess.TimeoutExpired:
            return 0
        finally:
            self.stop()


def _reason_of(status: int) -> Exception:
    if status == -signal.SIGKILL:  # the system was short of memory, for whatever reason
        return BusyError("The process that drew it was killed.")
    if status == -signal.SIGXCPU:
        return NotAPictureError(f"It takes more than {MAX_CPU_S} s of processor time to open.")
    return NotAPictureError("Its decoder crashes.")


def _read(process: subprocess.Popen[bytes], size: int, deadline_s: float) -> bytes:
    assert process.stdout is not None
    descriptor, data = process.stdout.fileno(), b""
    while len(data) < size:
        waits = select.poll()  # select() fails on descriptors above 1023
        waits.register(descriptor, select.POLLIN | select.POLLHUP)
        if not waits.poll(max(0.0, deadline_s - time.monotonic()) * 1000):
            raise TimeoutError
        part = os.read(descriptor, size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


@cache
def shared_drawers() -> Drawers:
    """Return the pool of this process."""
    return Drawers()
