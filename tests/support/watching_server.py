"""
A server on a loopback socket that watches a model base path as TensorFlow Model Server does, without TensorFlow.

It stands in for the real one where a test needs its habits on order: a load that lasts, retries, refuses or takes the
process down, a port that is closed until the first load, numbers that are never tried again. What it serves is written
in a version's ``fake.json`` (see ``candidates.py``). The habits are those of ``aspired_versions_manager.cc`` with the
policy ``latest {num_versions: 1}``: the highest number is loaded, and the others are unloaded once it is AVAILABLE.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import Self

from tendies_ops.publish.version_dirs import list_version_dirs
from tests.support.candidates import MODEL_NAME, answer_to, make_candidate, picture
from tests.support.canned_server import Answer, CannedServer, Request, error_answer, predictions_answer, sent_files

_PREDICT = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:predict")
_NO_VARIABLES = "Could not find variable w. This could mean that the variable has been deleted."
_STATUS = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+))?")


class CannotLoadError(Exception):
    """Its text is ``CODE: message``."""


@dataclass
class Version:
    state: str = "START"
    error: str = ""
    behaviour: dict[str, Any] = field(default_factory=dict)


class WatchingServer:
    """
    Serves ``base`` from a thread until stopped; a context manager.

    :param max_num_load_retries: the real default is 5.
    :param load_retry_interval_s: the real default is 60.
    :param load_threads: 0, the real default: while one version loads or retries, nothing else is loaded or unloaded.
    :param overrides: words of ``fake.json`` for this replica alone, such as ``load_s``; ``only_above`` and
        ``only_below`` say for which versions.
    :param restart_after_s: a supervisor starts the process again so long after a crash; None: it stays down.
    """

    def __init__(
        self,
        base: Path,
        *,
        model_name: str = MODEL_NAME,
        poll_s: float = 0.02,
        max_num_load_retries: int = 0,
        load_retry_interval_s: float = 0.1,
        load_threads: int = 2,
        overrides: dict[str, Any] | None = None,
        restart_after_s: float | None = None,
    ) -> None:
        self.base, self.model_name, self.poll_s = base, model_name, poll_s
        self.retries, self.retry_interval_s, self.load_threads = (
            max_num_load_retries,
            load_retry_interval_s,
            load_threads,
        )
        self.overrides, self.restart_after_s = overrides or {}, restart_after_s
        self.versions: dict[int, Version] = {}
        self.loads: list[int] = []  #: every attempt to load
        self.predicts = 0
        self.crashes_when_asked: Counter[int] = Counter()  #: version -> this many requests for it take the process down
        self._crashing = False
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._socket: CannedServer | None = None
        with CannedServer(lambda _: Answer()) as reserved:
            self.port, self.url = reserved.port, reserved.url
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        self._close_port()

    def serving(self) -> list[int]:
        with self._lock:
            return [number for number, version in self.versions.items() if version.state == "AVAILABLE"]

    def wait_until_serving(self, version: int, *, timeout_s: float = 5.0) -> None:
        deadline = time.monotonic() + timeout_s
        while self.serving() != [version]:
            assert time.monotonic() < deadline, f"{self.url} serves {self.serving()}, not {version}: {self.versions}"
            time.sleep(0.01)

    def wait_until_failed(self, version: int, *, timeout_s: float = 5.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not (version in self.versions and self.versions[version].error):
            assert time.monotonic() < deadline, f"{self.url}: {self.versions}"
            time.sleep(0.01)

    # --- what it loads -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopped.wait(self.poll_s):
            if self._crashing:
                self._crashing = False
                self._crash()
            aspired = self._aspired()
            with self._lock:
                known = self.versions.get(aspired) if aspired is not None else None
            if aspired is not None and (known is None or (known.state == "END" and not known.error)):
                self._load(aspired)
            elif aspired is None or (known is not None and known.state == "AVAILABLE"):
                self._unload_all_but(aspired)

    def _aspired(self) -> int | None:
        return max((child.version for child in list_version_dirs(self.base)), default=None)

    def _load(self, number: int) -> None:
        with self._lock:
            version = self.versions[number] = Version("LOADING")
        for attempt in range(self.retries + 1):
            self.loads.append(number)
            try:
                version.behaviour = self._read(number)
            except CannotLoadError as error:
                failure = str(error)
            else:
                self._finish_load(number, version)
                return
            if attempt < self.retries and not self._sleep(self.retry_interval_s, number):
                return
        with self._lock:
            version.error, version.state = failure, "END"

    def _finish_load(self, number: int, version: Version) -> None:
        if not self._sleep(version.behaviour.get("load_s", 0.0), number):
            return
        if version.behaviour.get("crash"):
            self._crash()
            return
        if not (self._directory(number) / "variables").is_dir():  # the trap: it loads, and every predict fails
            version.behaviour["answer_error"] = _NO_VARIABLES
        with self._lock:
            version.state = "AVAILABLE"
            if self._socket is None:
                self._socket = CannedServer(self._answer, port=self.port)
        self._unload_all_but(number)

    def _directory(self, number: int) -> Path:
        return next((c.path for c in list_version_dirs(self.base) if c.version == number), self.base / str(number))

    def _read(self, number: int) -> dict[str, Any]:
        """The graph; the variables are read when the load ends, and what has gone by then is not missed."""
        path = self._directory(number)
        if not (path / "saved_model.pb").is_file():
            raise CannotLoadError(
                "NOT_FOUND: Specified file path does not appear to contain a SavedModel bundle (should have a file "
                f"called `saved_model.pb`)\nSpecified file path: {path}"
            )
        if (path / "variables").is_dir() and not (path / "variables" / "variables.index").exists():
            raise CannotLoadError("OUT_OF_RANGE: Read less bytes than requested")
        applies = self.overrides.get("only_above", 0) < number < self.overrides.get("only_below", 1 << 62)
        behaviour: dict[str, Any] = json.loads((path / "fake.json").read_text(encoding="utf-8"))
        behaviour.update(self.overrides if applies else {})
        if "error" in behaviour:
            raise CannotLoadError(str(behaviour["error"]))
        return behaviour

    def _sleep(self, seconds: float, number: int) -> bool:
        """False: stopped, or (with load threads) another version is wanted now, which cancels this one."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._stopped.wait(min(0.01, seconds)):
                return False
            if self.load_threads and self._aspired() not in {number, None} and (self._aspired() or 0) > number:
                with self._lock:
                    self.versions[number] = Version("END", "CANCELLED: a newer version is aspired")
                return False
        return True

    def _unload_all_but(self, keep: int | None) -> None:
        with self._lock:
            for number, version in self.versions.items():
                if number != keep and version.state == "AVAILABLE":
                    version.state = "END"

    def _crash(self) -> None:
        self._close_port()
        with self._lock:
            self.versions.clear()
        if self.restart_after_s is None:
            self._stopped.set()
        else:
            self._stopped.wait(self.restart_after_s)

    def _close_port(self) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.stop()
            self._socket = None

    # --- what it answers -----------------------------------------------------------------------------------------

    def _answer(self, request: Request) -> Answer:
        if match := _PREDICT.fullmatch(request.path):
            return self._predict(request, match.group(1), match.group(2))
        if match := _STATUS.fullmatch(request.path):
            return self._status(match.group(1))
        return error_answer(400, f"Malformed request: {request.method} {request.path}")

    def _status(self, name: str) -> Answer:
        if name != self.model_name:
            return error_answer(404, f"Could not find any versions of model {name}")
        with self._lock:
            entries = [_entry(number, self.versions[number]) for number in sorted(self.versions, reverse=True)]
        return Answer(body=json.dumps({"model_version_status": entries}).encode())

    def _predict(self, request: Request, name: str, wanted: str | None) -> Answer:
        with self._lock:
            self.predicts += 1
            available = {n: v for n, v in self.versions.items() if v.state == "AVAILABLE"}
        number = int(wanted) if wanted else max(available, default=-1)
        if name != self.model_name or number not in available:
            return error_answer(404, f"Servable not found for request: {'Specific' if wanted else 'Latest'}({name})")
        if wanted and self.crashes_when_asked[number]:
            self.crashes_when_asked[number] -= 1
            self._crashing = True
            return Answer(cut_after_bytes=0)
        behaviour = available[number].behaviour
        if "answer_error" in behaviour:
            return error_answer(400, str(behaviour["answer_error"]))
        return predictions_answer([answer_to(file, behaviour) for file in sent_files(request)])


def _entry(number: int, version: Version) -> dict[str, Any]:
    code, _, message = version.error.partition(": ") if version.error else ("OK", "", "")
    return {"version": str(number), "state": version.state, "status": {"error_code": code, "error_message": message}}


def pictures_to_shift(server: WatchingServer, folder: Path, count: int) -> Path:
    """Put ``count`` pictures into a new folder; the server then serves a model that adds ten to every value of them."""
    make_candidate(folder.parent / "candidate", by=10).rename(server.base / "1")
    server.wait_until_serving(1)
    folder.mkdir()
    digits = len(str(count - 1))
    for seed in range(count):
        (folder / f"{seed:0{digits}d}.png").write_bytes(picture(seed))
    return folder
