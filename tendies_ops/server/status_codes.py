"""Status codes, as TensorFlow and its Model Server name them, and the HTTP status of each."""

from __future__ import annotations

from typing import Final

# tensorflow/serving http_server.cc, ToHTTPStatusCode; in the order of the codes' numbers (absl/status/status.h).
_HTTP_STATUS: Final = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
CODES: Final = tuple(_HTTP_STATUS)


class StatusError(Exception):
    """
    An error, with the message that a client of Model Server receives.

    :param code: the name of TensorFlow's status code.
    :param message: without the code; bytes that are not UTF-8 are surrogates.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def http_status(code: str) -> int:
    """Return the HTTP status of a code."""
    return _HTTP_STATUS.get(code, 500)


def invalid_argument(message: str) -> StatusError:
    """Make the most frequent error, for requests that are wrong."""
    return StatusError("INVALID_ARGUMENT", message)
