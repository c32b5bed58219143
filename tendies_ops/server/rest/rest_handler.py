"""
Answers of the REST paths.

Source: tensorflow/serving model_servers/http_rest_api_handler.cc and http_server.cc.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.example_methods import Method, examples_tensor, find_signature
from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.graph.signatures import DEFAULT_SIGNATURE, Signature, check_inputs
from tendies_ops.server.graph.tensors import STRING, Tensor, string_tensor
from tendies_ops.server.http.http_message import Request
from tendies_ops.server.json.parse_json import parse_json
from tendies_ops.server.json.pretty_json import error_body
from tendies_ops.server.prometheus import Metrics
from tendies_ops.server.rest.classify_regress import answer_classifications, answer_regressions
from tendies_ops.server.rest.examples_from_json import read_examples
from tendies_ops.server.rest.model_answers import metadata_answer, status_answer
from tendies_ops.server.rest.plain_files import read_plain_files
from tendies_ops.server.rest.predict_answer import answer_columns, answer_rows
from tendies_ops.server.rest.predict_inputs import PredictInputs, predict_inputs, signature_name_of
from tendies_ops.server.rest.routes import Route, parse_route
from tendies_ops.server.status_codes import StatusError, http_status, invalid_argument
from tendies_ops.server.versions.manager import Manager

log = logging.getLogger(__name__)

Labels = Callable[[str, str], int]  # model name, label -> version; raises StatusError


class RestHandler:
    """Answers one request at a time, on the calling thread."""

    def __init__(self, manager: Manager, labels: Labels, metrics: Metrics, flags: Flags) -> None:
        self._manager = manager
        self._labels = labels
        self._metrics = metrics
        self._flags = flags

    def answer(self, request: Request) -> tuple[int, bytes]:
        """
        Answer a request below ``/v1/``; never raises.

        :return: HTTP status and body.
        """
        begin = time.perf_counter()
        code = "OK"
        route = None
        try:
            route = parse_route(request.method, request.target)
            body = self._dispatch(route, request.content())
        except StatusError as error:
            code, body = error.code, error_body(error.message)
        except Exception as error:
            log.exception("%s %s ended unexpectedly.", request.method, request.target[:200])
            code, body = "INTERNAL", error_body(f"{type(error).__name__} while answering; see the server's log.")
        self._count(request, route, code, (time.perf_counter() - begin) * 1e6)
        return http_status(code), body

    def _count(self, request: Request, route: Route | None, code: str, elapsed_us: float) -> None:
        name = route.model_name if route else ""
        if route and code == "OK":
            api = route.action if request.method == "POST" else ""
            self._metrics.observe("request_latency", elapsed_us, model_name=name, API=api, entrypoint="REST")
        self._metrics.count("request_count", model_name=name, status=code)
        text = "%s %s: %s, %d bytes in, %.1f ms"
        log.debug(text, request.method, request.target[:200], code, len(request.body), elapsed_us / 1e3)

    def _dispatch(self, route: Route, body: bytes | bytearray) -> bytes:
        if route.action == "predict":
            return self._predict(route, body)
        if route.action in ("classify", "regress"):
            return self._classify_or_regress(route, body)
        if not route.model_name:
            raise invalid_argument("Missing model name in request.")
        return self._metadata(route) if route.action == "metadata" else self._status(route)

    def _status(self, route: Route) -> bytes:
        statuses = self._manager.states.of_model(route.model_name)
        if route.version is not None:
            statuses = {version: status for version, status in statuses.items() if version == route.version}
        if not statuses:
            what = "any versions" if route.version is None else f"version {route.version}"
            raise StatusError("NOT_FOUND", f"Could not find {what} of model {route.model_name}")
        return status_answer(statuses.values())

    def _version(self, route: Route) -> int | None:
        return route.version if route.label is None else self._labels(route.model_name, route.label)

    def _metadata(self, route: Route) -> bytes:
        with self._manager.serving.servable(route.model_name, self._version(route)) as (version, servable):
            return metadata_answer(route.model_name, version, servable.signatures)

    def _predict(self, route: Route, body: bytes | bytearray) -> bytes:
        files = read_plain_files(body)
        document = None if files else parse_json(body)
        name = "" if files else signature_name_of(document)
        with self._manager.serving.servable(route.model_name, self._version(route)) as (_, servable):
            signature = _find_signature(servable, name)
            inputs = _only_files(files, signature) or predict_inputs(
                document or parse_json(body), signature.inputs, name
            )
            check_inputs(signature, inputs.tensors)
            outputs = self._run(route, servable, signature, inputs.tensors)
            return answer_rows(outputs) if inputs.row_format else answer_columns(outputs)

    def _classify_or_regress(self, route: Route, body: bytes | bytearray) -> bytes:
        document = parse_json(body)
        name = signature_name_of(document)
        examples = read_examples(document)
        method: Method = "classify" if route.action == "classify" else "regress"
        with self._manager.serving.servable(route.model_name, self._version(route)) as (_, servable):
            signature = find_signature(servable.signatures, name, method)
            outputs = self._run(route, servable, signature, examples_tensor(examples))
            answer = answer_classifications if method == "classify" else answer_regressions
            return answer(outputs, len(examples))

    def _run(
        self, route: Route, servable: Servable, signature: Signature, inputs: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        begin = time.perf_counter()
        outputs = servable.run(signature, inputs, timeout_ms=self._flags.rest_api_timeout_in_ms)
        elapsed_us = (time.perf_counter() - begin) * 1e6
        api = route.action.capitalize()
        self._metrics.observe("runtime_latency", elapsed_us, model_name=route.model_name, API=api, runtime="TF1")
        return outputs


def _find_signature(servable: Servable, name: str) -> Signature:
    wanted = name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(wanted)
    if signature is None:
        raise invalid_argument(f'Serving signature name: "{wanted}" not found in signature def')
    return signature


def _only_files(files: list[bytes] | None, signature: Signature) -> PredictInputs | None:
    """Return the inputs of a request that consists of files, if the signature's only input takes strings."""
    inputs = [(name, info) for name, info in signature.inputs.items() if info.dtype is STRING]
    if files is None or len(inputs) != 1 or len(signature.inputs) != 1:
        return None
    return PredictInputs({inputs[0][0]: string_tensor((len(files),), files)}, row_format=True)
