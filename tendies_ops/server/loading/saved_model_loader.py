"""Loads version directories: TensorFlow, then warm-up, then batching around it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Final

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.servable import SavedModelServable, Servable, session_config
from tendies_ops.server.loading.batching import BatchingServable
from tendies_ops.server.loading.batching_config import batching_of_all, batching_of_version
from tendies_ops.server.loading.run_warmup import warm_up
from tendies_ops.server.prometheus import Metrics
from tendies_ops.server.status_codes import StatusError

_LOAD: Final = ":tensorflow:cc:saved_model:"


class SavedModelLoader:
    """
    Loads SavedModels, all with the same flags.

    :raises StatusError: the flags contradict each other, or the batching parameters cannot be read.
    """

    def __init__(self, flags: Flags, metrics: Metrics) -> None:
        session_config(flags)
        self._flags = flags
        self._metrics = metrics
        self._batching = batching_of_all(flags)
        self._batch_slots = threading.Semaphore(self._batching.num_batch_threads if self._batching else 1)

    def __call__(self, model_name: str, version: int, version_dir: Path) -> Servable:
        """
        Load one version.

        :raises StatusError: with TensorFlow's text, or what the warm-up met.
        """
        require_saved_model(version_dir)
        parameters = batching_of_version(self._batching, self._flags, version_dir)
        servable = self._load(version_dir)
        try:
            if self._flags.enable_model_warmup:
                warm_up(servable, version_dir, self._metrics, self._flags)
            if self._flags.flush_filesystem_caches:
                _flush_caches(version_dir)
        except BaseException:
            servable.close()
            raise
        if parameters is None:
            return servable
        return BatchingServable(servable, parameters, self._batch_slots, self._metrics)

    def _load(self, version_dir: Path) -> Servable:
        begin = time.perf_counter()
        status = "fail"
        try:
            servable = SavedModelServable(version_dir, self._flags)
            status = "success"
        finally:
            self._metrics.count(_LOAD + "load_attempt_count", model_path=str(version_dir), status=status)
        elapsed_us = int((time.perf_counter() - begin) * 1e6)
        self._metrics.count(_LOAD + "load_latency", elapsed_us, model_path=str(version_dir))
        return servable


def require_saved_model(version_dir: Path) -> None:
    """
    Refuse what the real server refuses before it asks TensorFlow (saved_model_bundle_factory.cc).

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
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
