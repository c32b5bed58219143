"""
Warm-up: the recorded predict requests of a version are run while it loads. If one fails, the load fails.

Source: tensorflow/serving servables/tensorflow/saved_model_warmup.cc, saved_model_warmup_util.cc.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.graph.signatures import DEFAULT_SIGNATURE, check_inputs
from tendies_ops.server.graph.tensors import Tensor, dtype_of
from tendies_ops.server.loading.tfrecord import read_records
from tendies_ops.server.protobuf.messages import PredictionLog
from tendies_ops.server.status_codes import StatusError, invalid_argument

log = logging.getLogger(__name__)

WARMUP_FILE: Final = Path("assets.extra") / "tf_serving_warmup_requests"
_MAX_RECORDS: Final = 1000


def warm_up(servable: Servable, version_dir: Path, iterations: int) -> None:
    """
    Run the version's warm-up requests, if it has any.

    :param iterations: number of runs of each request; 0 counts as 1.
    :raises StatusError: a request failed, or the file is damaged.
    """
    path = version_dir / WARMUP_FILE
    if not path.exists():
        return
    begin = time.perf_counter()
    try:
        count = _run_all(servable, path, max(1, iterations))
    except StatusError as error:
        if error.code != "DATA_LOSS":
            raise
        text = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise StatusError("DATA_LOSS", text) from None
    log.info("Ran %d warm-up requests of %s in %.1f s.", count, version_dir, time.perf_counter() - begin)


def _run_all(servable: Servable, path: Path, iterations: int) -> int:
    count = 0
    for record in read_records(path):
        try:
            entry = PredictionLog.FromString(record)
        except DecodeError:
            raise invalid_argument(f"Failed to parse warmup record: {record!r} from {path}") from None
        if entry.HasField("predict_log"):
            _predict(servable, entry.predict_log.request, iterations)
        else:
            log.warning("%s: a warm-up request that is not a predict request is skipped.", path)
        count += 1
        if count > _MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {path}")
    return count


def _predict(servable: Servable, request: Any, iterations: int) -> None:
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise StatusError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
    inputs = {alias: _tensor(message) for alias, message in request.inputs.items()}
    check_inputs(signature, inputs)
    for _ in range(iterations):
        servable.run(signature, inputs)


def _tensor(message: Any) -> Tensor:
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    return Tensor(shape, dtype_of(message.dtype), proto=message.SerializeToString())
