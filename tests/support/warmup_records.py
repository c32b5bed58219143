"""Warm-up records as other tools write them: PredictionLog messages."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from tendies_ops.server import proto_wire as wire


def predict_log(model_name: str, signature_name: str, inputs: Mapping[str, Sequence[float]]) -> bytes:
    """A serialised PredictionLog with one predict request of float vectors."""
    spec = wire.bytes_field(1, model_name.encode()) + wire.bytes_field(3, signature_name.encode())
    request = wire.bytes_field(1, spec)
    for name, values in inputs.items():
        shape = wire.bytes_field(2, wire.int_field(1, len(values)))
        content = struct.pack(f"<{len(values)}f", *values)
        tensor = wire.int_field(1, 1) + wire.bytes_field(2, shape) + wire.bytes_field(4, content)
        request += wire.bytes_field(2, wire.bytes_field(1, name.encode()) + wire.bytes_field(2, tensor))
    return wire.bytes_field(6, wire.bytes_field(1, request))
