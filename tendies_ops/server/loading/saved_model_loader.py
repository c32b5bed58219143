"""Loading of version directories: TensorFlow, then warm-up, then batching."""

from __future__ import annotations

import threading
from pathlib import Path

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.servable import SavedModelServable, Servable, session_config
from tendies_ops.server.loading.batching import BatchingServable
from tendies_ops.server.loading.batching_config import batching_of_all, read_batching_parameters
from tendies_ops.server.loading.run_warmup import warm_up
from tendies_ops.server.status_codes import StatusError


class SavedModelLoader:
    """
    Loads SavedModels, all with the same flags.

    :raises StatusError: the flags contradict each other, or the batching parameters cannot be read.
    """

    def __init__(self, flags: Flags) -> None:
        session_config(flags)
        self._flags = flags
        self._batching = batching_of_all(flags)
        self._batch_slots = threading.Semaphore(self._batching.num_batch_threads if self._batching else 1)

    def __call__(self, model_name: str, version: int, version_dir: Path) -> Servable:
        """
        Load one version.

        :raises StatusError: with TensorFlow's message, or that of a failed warm-up.
        """
        require_saved_model(version_dir)
        parameters = self._batching
        if parameters and self._flags.enable_per_model_batching_parameters:
            own = version_dir / "batching_params.pbtxt"
            parameters = read_batching_parameters(own) if own.exists() else None
        servable = SavedModelServable(version_dir, self._flags)
        try:
            if self._flags.enable_model_warmup:
                warm_up(servable, version_dir, self._flags.num_request_iterations_for_warmup)
        except BaseException:
            servable.close()
            raise
        return BatchingServable(servable, parameters, self._batch_slots) if parameters else servable


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
