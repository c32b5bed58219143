"""
How requests are merged into batches.

Source: tensorflow/serving servables/tensorflow/session_bundle_config.proto and bundle_factory_util.cc; defaults of
tensorflow core/kernels/batching_util/shared_batch_scheduler.h.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tendies_ops.server.model_config import boolean, integer, read_text_proto
from tendies_ops.server.status import invalid_argument
from tendies_ops.server.text_proto import Message, Schema

PER_MODEL_FILE: Final = "batching_params.pbtxt"

_WRAPPED: Final[Schema] = {"value": None}
_PARAMETERS: Final[Schema] = {
    "max_batch_size": _WRAPPED,
    "batch_timeout_micros": _WRAPPED,
    "max_enqueued_batches": _WRAPPED,
    "num_batch_threads": _WRAPPED,
    "thread_pool_name": _WRAPPED,
    "enable_large_batch_splitting": _WRAPPED,
    "max_execution_batch_size": _WRAPPED,
    "allowed_batch_sizes": [None],
    "pad_variable_length_inputs": None,
}


@dataclass(frozen=True)
class BatchingParameters:
    """
    Batching's settings.

    :param max_batch_size: rows in one run of the graph.
    :param allowed_batch_sizes: sizes that a run is padded to; empty for any.
    """

    max_batch_size: int = 1000
    batch_timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False
    split_large_requests: bool = False

    def padded_size(self, rows: int) -> int:
        """How many rows are run for this many."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_batching_parameters(path: str | Path) -> BatchingParameters:
    """
    Read ``--batching_parameters_file`` or a version's ``batching_params.pbtxt``.

    :raises StatusError: the file or what it says is wrong.
    """
    message = read_text_proto(str(path), _PARAMETERS, "tensorflow.serving.BatchingParameters")
    defaults = BatchingParameters()
    batch_size = _integer(message, "max_batch_size", defaults.max_batch_size)
    return BatchingParameters(
        max_batch_size=_integer(message, "max_execution_batch_size", batch_size),
        batch_timeout_s=_integer(message, "batch_timeout_micros", 0) / 1e6,
        max_enqueued_batches=_integer(message, "max_enqueued_batches", defaults.max_enqueued_batches),
        num_batch_threads=_integer(message, "num_batch_threads", defaults.num_batch_threads),
        allowed_batch_sizes=tuple(integer(size) for size in message.get("allowed_batch_sizes", [])),
        pad_variable_length_inputs=boolean(message.get("pad_variable_length_inputs", ["false"])[-1]),
        split_large_requests=boolean(_wrapped(message, "enable_large_batch_splitting", "false")),
    )


def check_allowed_sizes(parameters: BatchingParameters) -> None:
    """
    Asked at each load, as the real server does.

    :raises StatusError: the last allowed size is not the largest batch.
    """
    sizes = parameters.allowed_batch_sizes
    if sizes and sizes[-1] != parameters.max_batch_size:
        raise invalid_argument(
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
            f"{sizes[-1]}; expected {parameters.max_batch_size}"
        )
    if list(sizes) != sorted(set(sizes)):
        raise invalid_argument("allowed_batch_sizes entries must be monotonically increasing")


def _wrapped(message: Message, name: str, default: str) -> str:
    wrappers: list[Any] = message.get(name, [])
    return str(wrappers[-1].get("value", ["0"])[-1]) if wrappers else default


def _integer(message: Message, name: str, default: int) -> int:
    return integer(_wrapped(message, name, str(default)))
