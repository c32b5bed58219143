"""The meaning of an HTTP answer, or of its absence: one decision, made only here."""

from __future__ import annotations

import re
from typing import Any

import orjson
import requests
import urllib3

from tendies_ops.errors import (
    BadAnswerError,
    ModelServerError,
    RequestRefusedError,
    ServerSickError,
    ServerUnreachableError,
    VersionGoneError,
    WrongContractError,
)
from tendies_ops.rest_api.plain_words import plain_words
from tendies_ops.rest_api.predict import PICTURE_INPUT

#: How much of the server's own message is kept. One wrong string of 300 kB comes back as an error body of 300 kB.
MAX_SERVER_WORDS = 500

# The statuses that mean "not now" rather than "never": CANCELLED 499, ABORTED 409, RESOURCE_EXHAUSTED 429, and the 5xx
# but 501 (UNIMPLEMENTED). 408 and 502 come from proxies. Source: tensorflow/serving http_server.cc ToHTTPStatusCode.
_NOT_NOW = frozenset({408, 409, 425, 429, 499, 500, 502, 503, 504})

_MISSING_INPUTS = re.compile(rb"Missing but required: \{([^{}]+)\}")
_WANTED_INPUTS = re.compile(rb"keys must be equal to: ([^\"\\\s]+)")
_SEVERAL_INPUTS = b"as multiple input tensors required as per tensorinfo_map"


def error_for_status(http_status: int, body: bytes, where: str) -> ModelServerError:
    """
    Return the error that an answer other than 200 stands for.

    :param where: the request as text, such as ``POST http://h:8501/v1/models/m:predict``.
    """
    from_model_server, words = _server_words(body)
    details: dict[str, Any] = {"http_status": http_status, "server_words": words}
    said = f"{where} was answered {http_status}: {words or 'no message'}"
    if http_status == 404 and from_model_server:
        return VersionGoneError(said, **details)
    if http_status == 404:
        return RequestRefusedError(f"{said}. Is this the address of a Model Server's REST API?", **details)
    if http_status in _NOT_NOW or http_status > 504:
        return ServerSickError(said, **details)
    if http_status == 400 and from_model_server and (inputs := _inputs_not_sent(body)):
        return WrongContractError(
            f"{where} was answered 400, because the model takes further inputs besides the picture: {inputs}. The "
            "request does not send them.",
            http_status=http_status,
            server_words=f"Missing but required: {inputs}",
        )
    return RequestRefusedError(said, **details)


def _inputs_not_sent(body: bytes) -> str:
    """
    Return the names of the inputs that a request lacked, as far as an error body names them; empty if it names none.

    Sources: tensorflow/serving ``util/json_tensor.cc`` and ``servables/tensorflow/predict_util.cc``.
    """
    found = _MISSING_INPUTS.search(body) or _WANTED_INPUTS.search(body)
    if found is None:
        return "which the server does not name" if _SEVERAL_INPUTS in body else ""
    names = found.group(1).decode("utf-8", "replace").split(",")
    return plain_words(", ".join(name for name in names if name != PICTURE_INPUT), MAX_SERVER_WORDS)


def error_for_failure(error: Exception, where: str, timeout_s: float) -> ModelServerError:
    """Return the error that a request without a whole answer stands for."""
    if isinstance(error, requests.ConnectTimeout | urllib3.exceptions.ConnectTimeoutError):
        return ServerUnreachableError(
            f"{where}: nothing accepted the connection within {timeout_s:g} s.", listens=False
        )
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return ServerSickError(f"{where} was not answered within {timeout_s:g} s.")
    if isinstance(error, requests.exceptions.SSLError):
        return ServerUnreachableError(f"{where}: no trusted connection ({_root_cause(error)}).")
    if isinstance(error, requests.ConnectionError):
        return ServerUnreachableError(_no_connection(error, where), listens="Connection refused" not in str(error))
    if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError | OSError):
        return BadAnswerError(f"{where}: the answer was cut short or garbled ({_root_cause(error)}).")
    raise error


def _no_connection(error: requests.ConnectionError, where: str) -> str:
    cause = _root_cause(error)
    if "Connection refused" in cause:
        return f"{where}: nothing listens there. Is the server running, and has it loaded its first version?"
    if "Name or service not known" in cause or "getaddrinfo" in cause:
        return f"{where}: there is no such host."
    return f"{where}: the connection was lost ({cause})."


def _root_cause(error: BaseException) -> str:
    inner = error
    while inner.args and isinstance(inner.args[0], BaseException):
        inner = inner.args[0]
    reason = getattr(inner, "reason", None)
    text = str(reason if reason is not None else inner.args[-1] if inner.args else inner)
    return plain_words(text, MAX_SERVER_WORDS) or type(inner).__name__


def _server_words(body: bytes) -> tuple[bool, str]:
    """Return whether Model Server itself wrote this error body, and its message on one line, made harmless."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    from_model_server = isinstance(document, dict) and isinstance(document.get("error"), str)
    text = document["error"] if from_model_server else body[: 8 * MAX_SERVER_WORDS].decode("utf-8", "replace")
    return from_model_server, plain_words(text, MAX_SERVER_WORDS)
