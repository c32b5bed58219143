"""
Warm-up records: real requests that Model Server runs through a version before it becomes AVAILABLE.

The file is a TFRecord of ``PredictionLog``. Its few messages are written by hand, because their Python classes live in
``tensorflow-serving-api``, which would come with gRPC for the sake of five fields. Field numbers: tensorflow/serving
``apis/prediction_log.proto``, ``predict.proto``, ``model.proto``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WARMUP_PATH = "assets.extra/tf_serving_warmup_requests"
#: Model Server runs them all before a version is AVAILABLE, so few are kept: a swap must stay quick.
MAX_RECORDS = 3

_LENGTH_DELIMITED = 2


def write_warmup(directory: Path, model_name: str, requests: Sequence[Mapping[str, Any]]) -> None:
    """
    Write the first few requests.

    :param requests: signature input -> array, as ``serving_default`` takes it. All must succeed: one failing record
        makes Model Server refuse the version.
    """
    import tensorflow as tf

    path = directory / WARMUP_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for inputs in requests[:MAX_RECORDS]:
            writer.write(prediction_log(model_name, inputs))


def prediction_log(model_name: str, inputs: Mapping[str, Any]) -> bytes:
    """``PredictionLog {predict_log {request {model_spec {name, signature_name}, inputs}}}``."""
    model_spec = _field(1, model_name.encode()) + _field(3, b"serving_default")
    request = _field(1, model_spec)
    for name, value in sorted(inputs.items()):
        request += _field(2, _field(1, name.encode()) + _field(2, _tensor(value)))
    return _field(6, _field(1, request))


def _tensor(value: Any) -> bytes:
    import tensorflow as tf

    data: bytes = tf.make_tensor_proto(value).SerializeToString(deterministic=True)
    return data


def _field(number: int, data: bytes) -> bytes:
    """One length-delimited field of a protocol buffer."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
