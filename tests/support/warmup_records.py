"""Warm-up records as other tools write them: PredictionLog messages."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from tendies_ops.server.loading.tfrecord import masked_crc
from tendies_ops.server.protobuf.messages import PredictionLog


def predict_log(model_name: str, signature_name: str, inputs: Mapping[str, Sequence[float]]) -> bytes:
    """A serialised PredictionLog with one predict request of float vectors."""
    entry = PredictionLog()
    request = entry.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = model_name, signature_name
    for name, values in inputs.items():
        tensor = request.inputs[name]
        tensor.dtype = 1
        tensor.tensor_shape.dim.add(size=len(values))
        tensor.tensor_content = np.array(values, np.float32).tobytes()
    return bytes(entry.SerializeToString())


def frame_record(record: bytes) -> bytes:
    """One record as it is in a file."""
    length = struct.pack("<Q", len(record))
    return length + struct.pack("<I", masked_crc(length)) + record + struct.pack("<I", masked_crc(record))
