"""Status codes, as TensorFlow and its Model Server name them, and the HTTP status of each."""

from __future__ import annotations

from typing import Final, Literal, get_args

Code = Literal[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
]

#: In the order of their numbers (absl/status/status.h).
CODES: Final[tuple[Code, ...]] = get_args(Code)

# tensorflow/serving http_server.cc, ToHTTPStatusCode; what is missing is 500.
_HTTP_STATUS: Final[dict[Code, int]] = {
    "OK": 200,
    "CANCELLED": 499,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}


class StatusError(Exception):
    """
    What went wrong, in the words that a client of Model Server reads.

    :param code: the name of TensorFlow's status code.
    :param message: the text alone, without the code; bytes that are not UTF-8 as surrogates.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code: Code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def http_status(code: Code) -> int:
    """The HTTP status that Model Server answers with."""
    return _HTTP_STATUS.get(code, 500)


def invalid_argument(message: str) -> StatusError:
    """The most frequent one: the request does not make sense."""
    return StatusError("INVALID_ARGUMENT", message)
