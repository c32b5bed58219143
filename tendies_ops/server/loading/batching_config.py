"""
Settings of batching.

Source: tensorflow/serving servables/tensorflow/session_bundle_config.proto and bundle_factory_util.cc; defaults of
tensorflow core/kernels/batching_util/shared_batch_scheduler.h.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.server.flags import Flags
from tendies_ops.server.protobuf.messages import BatchingParameters as BatchingParametersMessage
from tendies_ops.server.protobuf.text_file import read_text_proto
from tendies_ops.server.status_codes import StatusError, invalid_argument


@dataclass(frozen=True)
class BatchingParameters:
    """
    Settings of batching.

    :param max_batch_size: rows in one run of the graph.
    :param allowed_batch_sizes: sizes to which a run is padded; empty for any size.
    """

    max_batch_size: int = 1000
    batch_timeout_s: float = 0.0
    max_enqueued_batches: int = 10
    num_batch_threads: int = os.cpu_count() or 1
    allowed_batch_sizes: tuple[int, ...] = ()

    def padded_size(self, rows: int) -> int:
        """Return the number of rows that are run for a number of rows."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def batching_of_all(flags: Flags) -> BatchingParameters | None:
    """
    Return the settings from the flags; None without batching.

    :raises StatusError: the parameters cannot be read.
    """
    if not flags.enable_batching:
        return None
    path = flags.batching_parameters_file
    return read_batching_parameters(path) if path else BatchingParameters()


def read_batching_parameters(path: str | Path) -> BatchingParameters:
    """
    Read ``--batching_parameters_file`` or a version's ``batching_params.pbtxt``.

    :raises StatusError: the file cannot be read, or its content is invalid.
    """
    message = read_text_proto(str(path), BatchingParametersMessage())
    if message.pad_variable_length_inputs or message.enable_large_batch_splitting.value:
        what = "pad_variable_length_inputs and enable_large_batch_splitting"
        raise StatusError("UNIMPLEMENTED", f"{path}: {what} are not implemented by the embedded Model Server")
    defaults = BatchingParameters()

    def value(name: str, default: int) -> int:
        return int(getattr(message, name).value) if message.HasField(name) else default

    parameters = BatchingParameters(
        max_batch_size=value("max_execution_batch_size", value("max_batch_size", defaults.max_batch_size)),
        batch_timeout_s=message.batch_timeout_micros.value / 1e6,
        max_enqueued_batches=value("max_enqueued_batches", defaults.max_enqueued_batches),
        num_batch_threads=value("num_batch_threads", defaults.num_batch_threads),
        allowed_batch_sizes=tuple(message.allowed_batch_sizes),
    )
    _check_allowed_sizes(parameters)
    return parameters


def _check_allowed_sizes(parameters: BatchingParameters) -> None:
    sizes = parameters.allowed_batch_sizes
    if sizes and sizes[-1] != parameters.max_batch_size:
        raise invalid_argument(
            "Last entry in allowed_batch_sizes must match max_batch_size; last entry was "
            f"{sizes[-1]}; expected {parameters.max_batch_size}"
        )
    if list(sizes) != sorted(set(sizes)):
        raise invalid_argument("allowed_batch_sizes entries must be monotonically increasing")
