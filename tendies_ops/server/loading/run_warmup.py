"""
Runs the requests that a version brings for warming up; one that fails, fails the load.

Source: tensorflow/serving servables/tensorflow/saved_model_warmup.cc, saved_model_warmup_util.cc.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from google.protobuf.message import DecodeError

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.example_methods import Method, examples_tensor, find_signature
from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.graph.signatures import DEFAULT_SIGNATURE, check_inputs
from tendies_ops.server.graph.tensors import OpaqueTensor, dtype_of
from tendies_ops.server.loading.tfrecord import read_records
from tendies_ops.server.prometheus import Metrics
from tendies_ops.server.protobuf.messages import PredictionLog
from tendies_ops.server.status_codes import StatusError, invalid_argument

log = logging.getLogger(__name__)

WARMUP_FILE: Final = Path("assets.extra") / "tf_serving_warmup_requests"
_MAX_RECORDS: Final = 1000


def warm_up(servable: Servable, version_dir: Path, metrics: Metrics, flags: Flags) -> None:
    """
    Run the version's warm-up requests, if it has any.

    :raises StatusError: a request failed, or the file is damaged.
    """
    path = version_dir / WARMUP_FILE
    if not path.exists():
        return
    begin = time.perf_counter()
    try:
        count = _run_all(servable, path, flags)
    except StatusError as error:
        if error.code != "DATA_LOSS":
            raise
        text = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise StatusError("DATA_LOSS", text) from None
    elapsed_us = (time.perf_counter() - begin) * 1e6
    metrics.observe("model_warmup_latency", elapsed_us, model_path=str(version_dir), status="OK")
    metrics.count("model_warmup_records_read", count, model_path=str(version_dir), status="OK")
    log.info("Ran %d warm-up requests of %s in %.1f s.", count, version_dir, elapsed_us / 1e6)


def _run_all(servable: Servable, path: Path, flags: Flags) -> int:
    count = 0
    for record in read_records(path):
        try:
            run = _request(record, servable, flags.enable_signature_method_name_check)
        except DecodeError:
            raise invalid_argument(f"Failed to parse warmup record: {record!r} from {path}") from None
        for _ in range(max(1, flags.num_request_iterations_for_warmup)):
            run()
        count += 1
        if count > _MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {path}")
    return count


def _request(record: bytes, servable: Servable, check_method: bool) -> Callable[[], None]:
    log_entry = PredictionLog.FromString(record)
    kind = log_entry.WhichOneof("log_type")
    if kind is None:
        return lambda: None
    if kind in ("session_run_log", "predict_streamed_log"):
        raise StatusError("UNIMPLEMENTED", f"Unsupported log_type for warmup: {kind}")
    request = getattr(log_entry, kind).request
    if kind == "predict_log":
        return lambda: _predict(servable, request)
    if kind == "multi_inference_log":
        return lambda: _multi_inference(servable, request, check_method)
    method: Method = "classify" if kind == "classify_log" else "regress"
    return lambda: _run_examples(servable, request.input, request.model_spec.signature_name, method, check_method)


def _predict(servable: Servable, request: Any) -> None:
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise StatusError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
    inputs = {alias: _tensor(message) for alias, message in request.inputs.items()}
    check_inputs(signature, inputs)
    servable.run(signature, inputs)


def _tensor(message: Any) -> OpaqueTensor:
    shape = tuple(dim.size for dim in message.tensor_shape.dim)
    return OpaqueTensor(shape, dtype_of(message.dtype), message.SerializeToString())


def _multi_inference(servable: Servable, request: Any, check_method: bool) -> None:
    for task in request.tasks:
        method: Method = "classify" if task.method_name.endswith("/classify") else "regress"
        _run_examples(servable, request.input, task.model_spec.signature_name, method, check_method)


def _run_examples(servable: Servable, sent: Any, name: str, method: Method, check_method: bool) -> None:
    signature = find_signature(servable.signatures, name, method, check_method_name=check_method)
    with_context = sent.example_list_with_context
    examples = [
        *sent.example_list.examples,
        *(with_context.context + example for example in with_context.examples),  # joined, they are merged
    ]
    if not examples:
        raise invalid_argument("Input is empty.")
    servable.run(signature, examples_tensor(examples))
