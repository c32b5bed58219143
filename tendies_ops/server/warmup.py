"""
Runs the requests that a version brings for warming up; one that fails, fails the load.

Source: tensorflow/serving servables/tensorflow/saved_model_warmup.cc, saved_model_warmup_util.cc;
apis/prediction_log.proto, predict.proto, classification.proto, inference.proto, input.proto (field numbers).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tendies_ops.server import proto_wire as wire
from tendies_ops.server.classify_regress import Method, examples_tensor, find_signature
from tendies_ops.server.metrics import Metrics
from tendies_ops.server.servable import Servable
from tendies_ops.server.signatures import DEFAULT_SIGNATURE, check_inputs
from tendies_ops.server.status import StatusError, invalid_argument
from tendies_ops.server.tensor_proto import read_tensor_proto
from tendies_ops.server.tfrecord import read_records

log = logging.getLogger(__name__)

WARMUP_FILE: Final = Path("assets.extra") / "tf_serving_warmup_requests"
_MAX_RECORDS: Final = 1000

_CLASSIFY, _REGRESS, _PREDICT, _MULTI_INFERENCE = 2, 3, 6, 4
_UNSUPPORTED: Final = (5, 7)  # session_run_log, predict_streamed_log


def warm_up(servable: Servable, version_dir: Path, metrics: Metrics, *, iterations: int, check_method: bool) -> None:
    """
    Run the version's warm-up requests, if it has any.

    :param iterations: how often each one runs.
    :param check_method: classify and regress want signatures made for them.
    :raises StatusError: a request failed, or the file is damaged.
    """
    path = version_dir / WARMUP_FILE
    if not path.exists():
        return
    begin = time.perf_counter()
    try:
        count = _run_all(servable, path, iterations, check_method)
    except StatusError as error:
        if error.code != "DATA_LOSS":
            raise
        text = f"{error.message}. Please verify your warmup data is in TFRecord format."
        raise StatusError("DATA_LOSS", text) from None
    elapsed_us = (time.perf_counter() - begin) * 1e6
    metrics.observe("model_warmup_latency", elapsed_us, model_path=str(version_dir), status="OK")
    metrics.count("model_warmup_records_read", count, model_path=str(version_dir), status="OK")
    log.info("Ran %d warm-up requests of %s in %.1f s.", count, version_dir, elapsed_us / 1e6)


def _run_all(servable: Servable, path: Path, iterations: int, check_method: bool) -> int:
    count = 0
    for record in read_records(path):
        try:
            run = _request(record, servable, check_method)
        except wire.WireError:
            raise invalid_argument(f"Failed to parse warmup record: {record!r} from {path}") from None
        for _ in range(max(1, iterations)):
            run()
        count += 1
        if count > _MAX_RECORDS:
            raise invalid_argument(f"Number of warmup records exceeds the maximum ({_MAX_RECORDS}) at {path}")
    return count


def _request(record: bytes, servable: Servable, check_method: bool) -> Callable[[], None]:
    kinds = {_CLASSIFY, _REGRESS, _PREDICT, _MULTI_INFERENCE, *_UNSUPPORTED}
    entries = [(number, value) for number, value in wire.fields(record) if number in kinds]
    if not entries:
        return lambda: None
    kind, value = entries[-1]
    if kind in _UNSUPPORTED:
        raise StatusError("UNIMPLEMENTED", f"Unsupported log_type for warmup: {kind}")
    if not isinstance(value, bytes):
        raise wire.WireError("a log is a message")
    request = wire.last_bytes(value, 1) or b""
    if kind == _PREDICT:
        return lambda: _predict(servable, request)
    if kind == _MULTI_INFERENCE:
        return lambda: _multi_inference(servable, request, check_method)
    method: Method = "classify" if kind == _CLASSIFY else "regress"
    return lambda: _run_examples(servable, request, _signature_name(request), method, check_method)


def _signature_name(request: bytes) -> str:
    spec = wire.last_bytes(request, 1) or b""
    return (wire.last_bytes(spec, 3) or b"").decode("utf-8", "replace")


def _predict(servable: Servable, request: bytes) -> None:
    name = _signature_name(request) or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise StatusError("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
    inputs = {}
    for entry in wire.all_bytes(request, 2):
        alias = (wire.last_bytes(entry, 1) or b"").decode("utf-8", "replace")
        inputs[alias] = read_tensor_proto(wire.last_bytes(entry, 2) or b"", alias)
    check_inputs(signature, inputs)
    servable.run(signature, inputs)


def _multi_inference(servable: Servable, request: bytes, check_method: bool) -> None:
    for task in wire.all_bytes(request, 1):
        method_name = (wire.last_bytes(task, 2) or b"").decode("utf-8", "replace")
        method: Method = "classify" if method_name.endswith("/classify") else "regress"
        _run_examples(servable, request, _signature_name(task), method, check_method)


def _run_examples(servable: Servable, request: bytes, name: str, method: Method, check_method: bool) -> None:
    signature = find_signature(servable.signatures, name, method, check_method_name=check_method)
    examples = _examples(wire.last_bytes(request, 2) or b"")
    if not examples:
        raise invalid_argument("Input is empty.")
    servable.run(signature, examples_tensor(examples))


def _examples(message: bytes) -> list[bytes]:
    plain = wire.last_bytes(message, 1)
    if plain is not None:
        return wire.all_bytes(plain, 1)
    with_context = wire.last_bytes(message, 2) or b""
    context = wire.last_bytes(with_context, 2) or b""
    return [context + example for example in wire.all_bytes(with_context, 1)]
