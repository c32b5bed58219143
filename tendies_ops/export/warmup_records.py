"""
Warm-up records: real requests that Model Server runs through a version before it becomes AVAILABLE.

The file is a TFRecord of ``PredictionLog`` messages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tendies_ops.server.protobuf.messages import PredictionLog

WARMUP_PATH = "assets.extra/tf_serving_warmup_requests"
#: Model Server runs them all before a version is AVAILABLE, so few are kept: a swap must stay quick.
MAX_RECORDS = 3


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
    """
    Make one record.

    :param inputs: signature input -> array, as ``serving_default`` takes it.
    """
    import tensorflow as tf

    entry = PredictionLog()
    request = entry.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = model_name, "serving_default"
    for name, value in inputs.items():
        request.inputs[name].ParseFromString(tf.make_tensor_proto(value).SerializeToString())
    return bytes(entry.SerializeToString(deterministic=True))
