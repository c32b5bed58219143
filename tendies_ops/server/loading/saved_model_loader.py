"""Loads version directories: TensorFlow, then warm-up, then batching around it."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tendies_ops.server.graph.servable import SavedModelServable, Servable, SessionSettings
from tendies_ops.server.loading.batching import BatchingServable
from tendies_ops.server.loading.batching_config import (
    PER_MODEL_FILE,
    BatchingParameters,
    check_allowed_sizes,
    read_batching_parameters,
)
from tendies_ops.server.loading.run_warmup import warm_up
from tendies_ops.server.prometheus import Metrics
from tendies_ops.server.status_codes import StatusError

log = logging.getLogger(__name__)

_LOAD: Final = ":tensorflow:cc:saved_model:"


@dataclass(frozen=True)
class LoaderSettings:
    """
    How versions are loaded.

    :param warmup_iterations: how often each warm-up request runs; 0 for no warm-up.
    :param batching: None without batching.
    :param per_model_batching: versions bring their own parameters, or are not batched.
    """

    session: SessionSettings = field(default_factory=SessionSettings)
    warmup_iterations: int = 1
    check_method_name: bool = False
    batching: BatchingParameters | None = None
    per_model_batching: bool = False
    flush_caches: bool = True


class SavedModelLoader:
    """Loads SavedModels, all with the same settings."""

    def __init__(self, settings: LoaderSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        threads = settings.batching.num_batch_threads if settings.batching else 1
        self._batch_slots = threading.Semaphore(threads)

    def __call__(self, model_name: str, version: int, version_dir: Path) -> Servable:
        """
        Load one version.

        :raises StatusError: with TensorFlow's text, or what the warm-up met.
        """
        require_saved_model(version_dir)
        parameters = self._batching_of(version_dir)
        begin = time.perf_counter()
        try:
            servable = SavedModelServable(version_dir, self._settings.session)
        except StatusError:
            self._metrics.count(_LOAD + "load_attempt_count", model_path=str(version_dir), status="fail")
            raise
        elapsed_us = int((time.perf_counter() - begin) * 1e6)
        self._metrics.count(_LOAD + "load_attempt_count", model_path=str(version_dir), status="success")
        self._metrics.count(_LOAD + "load_latency", elapsed_us, model_path=str(version_dir))
        try:
            self._finish(servable, version_dir)
        except BaseException:
            servable.close()
            raise
        if parameters is None:
            return servable
        return BatchingServable(servable, parameters, self._batch_slots, self._metrics)

    def _finish(self, servable: Servable, version_dir: Path) -> None:
        settings = self._settings
        if settings.warmup_iterations:
            warm_up(
                servable,
                version_dir,
                self._metrics,
                iterations=settings.warmup_iterations,
                check_method=settings.check_method_name,
            )
        if settings.flush_caches:
            _flush_caches(version_dir)

    def _batching_of(self, version_dir: Path) -> BatchingParameters | None:
        common = self._settings.batching
        if common is None:
            return None
        parameters: BatchingParameters | None = common
        if self._settings.per_model_batching:
            own = version_dir / PER_MODEL_FILE
            parameters = read_batching_parameters(own) if own.exists() else None
        if parameters is not None:
            check_allowed_sizes(parameters)
        return parameters


def require_saved_model(version_dir: Path) -> None:
    """
    What the real server says before it asks TensorFlow (saved_model_bundle_factory.cc).

    :raises StatusError: NOT_FOUND, there is no SavedModel.
    """
    if not any((version_dir / name).exists() for name in ("saved_model.pb", "saved_model.pbtxt")):
        raise StatusError(
            "NOT_FOUND",
            "Specified file path does not appear to contain a SavedModel bundle (should have a file called "
            f"`saved_model.pb`)\nSpecified file path: {version_dir}",
        )


def _flush_caches(version_dir: Path) -> None:
    """Let the system drop the files from its cache: they are in the session's memory now."""
    if not hasattr(os, "posix_fadvise"):  # macOS
        return
    for path in version_dir.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
