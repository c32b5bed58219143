"""
The life cycle of every version: load before unload, one step at a time, retries, errors that stay.

    START -> LOADING -> AVAILABLE -> UNLOADING -> END

Source: tensorflow/serving core/aspired_versions_manager.cc, availability_preserving_policy.cc, basic_manager.cc,
util/retrier.cc.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.servable import Loader, Servable
from tendies_ops.server.heap import give_freed_memory_back
from tendies_ops.server.status_codes import StatusError
from tendies_ops.server.versions.load_retries import load_with_retries, reserve_resources
from tendies_ops.server.versions.serving_map import ServingMap
from tendies_ops.server.versions.version_states import VersionStates

log = logging.getLogger(__name__)

TICK_S = 0.1  # server_core.h, manage_state_interval_micros
_INITIAL_LOAD_THREADS = 4

_Phase = Literal["new", "loading", "ready", "unloading", "unloaded", "error"]
_FINISHED: tuple[_Phase, ...] = ("new", "unloaded", "error")


@dataclass
class _Managed:
    """A version in the care of the manager."""

    model_name: str
    version: int
    version_dir: Path
    is_aspired: bool = True
    phase: _Phase = "new"
    servable: Servable | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)


class Manager:
    """Loads and unloads versions until those serve that should serve."""

    def __init__(self, loader: Loader, flags: Flags) -> None:
        self.states = VersionStates()
        self.serving = ServingMap()
        self._loader = loader
        self._flags = flags
        self._lock = threading.Lock()
        self._pending: dict[str, Mapping[int, Path]] = {}
        self._managed: dict[tuple[str, int], _Managed] = {}
        self._stopping = threading.Event()
        self._woken = threading.Event()  # a version serves: unload its predecessor at once
        self._thread = threading.Thread(target=self._run, name="version-manager", daemon=True)
        self._pool: ThreadPoolExecutor | None = None
        self._unload_pool = _pool(flags.num_unload_threads)

    def start(self) -> None:
        """Start; the first loads run in parallel, later ones as the flags define."""
        self._pool = _pool(max(_INITIAL_LOAD_THREADS, self._flags.num_load_threads))
        self._thread.start()

    def end_of_start(self) -> None:
        """Continue with ``num_load_threads`` parallel loads, as the first versions serve; 0 is one at a time."""
        initial, self._pool = self._pool, _pool(self._flags.num_load_threads)
        if initial is not None:
            initial.shutdown(wait=False)

    def stop(self) -> None:
        """Start no further step, cancel retries, and wait for the running step."""
        self._stopping.set()
        self._woken.set()
        with self._lock:
            for managed in self._managed.values():
                managed.cancelled.set()
        self._thread.join(timeout=5.0)

    def set_aspired(self, model_name: str, versions: Mapping[int, Path]) -> None:
        """Set the versions of a model that should serve, from the next tick on."""
        with self._lock:
            self._pending[model_name] = versions

    def wait_until_serving(self, model_names: Iterable[str], stopping: threading.Event) -> None:
        """
        Wait until the highest known version of each model serves.

        :raises StatusError: the highest version of some model failed; there is no fallback to a lower one.
        """
        names = list(model_names)

        def settled() -> bool:
            highest = [self.states.highest(name) for name in names]
            return stopping.is_set() or all(status and status.state in ("AVAILABLE", "END") for status in highest)

        self.states.wait_for(settled)
        failures = [
            f"{{{{name: {name} version: {status.version}}} due to error: "
            f"{status.error_code}: {status.error_message}}}, "
            for name in names
            if (status := self.states.highest(name)) and status.state == "END"
        ]
        if failures and not stopping.is_set():
            text = "".join(failures)
            raise StatusError("UNKNOWN", f"{len(failures)} servable(s) did not become available: {{{text}}}")

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(TICK_S)
            self._woken.clear()
            self._flush()
            step = self._next_step()
            if step is not None:
                self._perform(step)
            # New versions are added after the step, so that they stay in START until the next tick.
            self._take_pending()

    def _flush(self) -> None:
        with self._lock:
            for key, managed in list(self._managed.items()):
                if not managed.is_aspired and managed.phase in _FINISHED:
                    del self._managed[key]

    def _take_pending(self) -> None:
        with self._lock:
            for model_name, versions in list(self._pending.items()):
                if not self._asks_for_a_leaving_version(model_name, versions):
                    del self._pending[model_name]
                    self._apply(model_name, versions)

    def _asks_for_a_leaving_version(self, model_name: str, versions: Mapping[int, Path]) -> bool:
        """Return True if one of the versions is still to be unloaded: it can be loaded again only after that."""
        leaving = (self._managed.get((model_name, version)) for version in versions)
        return any(managed is not None and not managed.is_aspired for managed in leaving)

    def _apply(self, model_name: str, versions: Mapping[int, Path]) -> None:
        for managed in self._of_model(model_name):
            if managed.version not in versions:
                managed.is_aspired = False
                managed.cancelled.set()
        for version, version_dir in sorted(versions.items(), reverse=True):
            if (model_name, version) not in self._managed:
                self._managed[model_name, version] = _Managed(model_name, version, version_dir)
                self.states.set(model_name, version, "START")

    def _of_model(self, model_name: str) -> list[_Managed]:
        return [managed for managed in self._managed.values() if managed.model_name == model_name]

    def _next_step(self) -> _Managed | None:
        """Return the version to load or unload next; unloading comes first because it frees memory."""
        with self._lock:
            names = dict.fromkeys(managed.model_name for managed in self._managed.values())
            steps = [step for name in names if (step := self._step_of_model(name)) is not None]
            return min(steps, key=lambda step: step.phase != "ready", default=None)

    def _step_of_model(self, model_name: str) -> _Managed | None:
        """Choose by AvailabilityPreservingPolicy: unload only if an aspired version serves or none is aspired."""
        versions = self._of_model(model_name)
        aspired = [managed for managed in versions if managed.is_aspired]
        if not aspired or any(managed.phase == "ready" for managed in aspired):
            leaving = [managed for managed in versions if not managed.is_aspired and managed.phase == "ready"]
            if leaving:
                return min(leaving, key=lambda managed: managed.version)
        waiting = [managed for managed in aspired if managed.phase == "new"]
        return max(waiting, key=lambda managed: managed.version, default=None)

    def _perform(self, managed: _Managed) -> None:
        loading = managed.phase == "new"
        managed.phase = "loading" if loading else "unloading"
        job, pool = (self._load, self._pool) if loading else (self._unload, self._unload_pool)
        if pool is None:
            job(managed)
        else:
            pool.submit(job, managed)

    def _load(self, managed: _Managed) -> None:
        try:
            reserve_resources(managed.model_name, managed.version, managed.version_dir, self._flags, managed.cancelled)
            self.states.set(managed.model_name, managed.version, "LOADING")
            managed.servable = load_with_retries(
                lambda: self._loader(managed.model_name, managed.version, managed.version_dir),
                f"Loading servable: {{name: {managed.model_name} version: {managed.version}}}",
                self._flags,
                managed.cancelled,
            )
        except StatusError as error:
            self._failed(managed, error)
        except Exception as error:
            log.exception("Loading %s version %d ended unexpectedly.", managed.model_name, managed.version)
            self._failed(managed, StatusError("INTERNAL", f"{type(error).__name__}: {error}"))
        else:
            self.serving.add(managed.model_name, managed.version, managed.servable)
            managed.phase = "ready"
            self.states.set(managed.model_name, managed.version, "AVAILABLE")
            self._woken.set()

    def _failed(self, managed: _Managed, error: StatusError) -> None:
        managed.phase = "error"
        self.states.set(managed.model_name, managed.version, "END", error)

    def _unload(self, managed: _Managed) -> None:
        self.states.set(managed.model_name, managed.version, "UNLOADING")
        self.serving.remove(managed.model_name, managed.version)
        servable, managed.servable = managed.servable, None
        if servable is not None:
            servable.close()
            give_freed_memory_back()
        managed.phase = "unloaded"
        self.states.set(managed.model_name, managed.version, "END")


def _pool(threads: int) -> ThreadPoolExecutor | None:
    return ThreadPoolExecutor(threads, thread_name_prefix="load") if threads else None
