"""
JSON as RapidJSON's PrettyWriter 1.1.0 puts it: four blanks a level, arrays on one line or one element a line.

Everything is bytes: what a model returns as a string need not be UTF-8.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

_NEEDS_ESCAPE: Final = re.compile(rb'["\\\x00-\x1f]')
_ESCAPES: Final[dict[bytes, bytes]] = {bytes([byte]): b"\\u%04X" % byte for byte in range(0x20)} | {
    b'"': b'\\"',
    b"\\": b"\\\\",
    b"\b": b"\\b",
    b"\f": b"\\f",
    b"\n": b"\\n",
    b"\r": b"\\r",
    b"\t": b"\\t",
}
_DEBUG_LIMIT_BYTES: Final = 256  # json_tensor.cc, kMaxJsonDebugStringBytes


def quoted(text: bytes) -> bytes:
    """A JSON string; bytes above 0x7f pass unchanged."""
    return b'"' + _NEEDS_ESCAPE.sub(lambda match: _ESCAPES[match.group()], text) + b'"'


def indent(level: int) -> bytes:
    """The blanks before a line."""
    return b"    " * level


class PrettyWriter:
    """Collects the text of one document in ``parts``."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.single_line_arrays = False
        self.size_bytes = 0
        self._counts: list[int] = []  # values so far in each open array or object
        self._is_array: list[bool] = []

    @property
    def level(self) -> int:
        """Return how many arrays and objects are open."""
        return len(self._counts)

    def value(self, text: bytes) -> None:
        """Write one value that is ready (or a name inside an object)."""
        self._put(self._prefix() + text)

    def values(self, texts: Sequence[bytes]) -> None:
        """Write many values into the open array."""
        if not texts:
            return
        between = b", " if self.single_line_arrays else b",\n" + indent(self.level)
        self.value(between.join(texts))
        self._counts[-1] += len(texts) - 1

    def start(self, opening: bytes) -> None:
        """Open an array (``[``) or object (``{``)."""
        self.value(opening)
        self._counts.append(0)
        self._is_array.append(opening == b"[")

    def end(self) -> None:
        """Close what was opened last."""
        count = self._counts.pop()
        is_array = self._is_array.pop()
        on_own_line = count and not (is_array and self.single_line_arrays)
        self._put((b"\n" + indent(self.level) if on_own_line else b"") + (b"]" if is_array else b"}"))

    def _put(self, text: bytes) -> None:
        self.parts.append(text)
        self.size_bytes += len(text)

    def _prefix(self) -> bytes:
        if not self._counts:
            return b""
        count = self._counts[-1]
        self._counts[-1] += 1
        if self._is_array[-1]:
            if self.single_line_arrays:
                return b", " if count else b""
            return (b",\n" if count else b"\n") + indent(self.level)
        if count % 2:
            return b": "
        return (b",\n" if count else b"\n") + indent(self.level)


def error_body(message: str) -> bytes:
    """The body of an error answer."""
    return b'{\n    "error": ' + quoted(message.encode("utf-8", "surrogateescape")) + b"\n}"


def debug_string(value: Any) -> str:
    """
    A value as error texts print it: cut between tokens once 256 bytes are written.

    Source: json_tensor.cc, JsonValueToDebugString.
    """
    writer = PrettyWriter()
    writer.single_line_arrays = True
    _write_until_limit(writer, value)
    return b"".join(writer.parts).decode("utf-8", "surrogateescape")


_END: Final = object()


def _write_until_limit(writer: PrettyWriter, value: Any) -> None:
    pending = [iter((value,))]
    while pending:
        if writer.size_bytes >= _DEBUG_LIMIT_BYTES:
            return
        token = next(pending[-1], _END)
        if token is _END:
            pending.pop()
            if pending:
                writer.end()
        elif isinstance(token, list):
            writer.start(b"[")
            pending.append(iter(token))
        elif isinstance(token, dict):
            writer.start(b"{")
            pending.append(chain.from_iterable(token.items()))
        else:
            text = _scalar(token)
            writer.value(text)
            if not text:  # RapidJSON writes no NaN and stops there
                return


def _scalar(value: Any) -> bytes:
    if value is None:
        return b"null"
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str):
        return quoted(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, int):
        return b"%d" % value
    return _double(value) if math.isfinite(value) else b""


def _double(value: float) -> bytes:
    """Shortest digits, laid out as rapidjson/internal/dtoa.h (Prettify) does."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0.0:
        return f"{sign}0.0".encode()
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return (sign + _laid_out(digits, point)).encode()


def _laid_out(digits: str, point: int) -> str:
    """``point``: where the decimal point stands, counted from before the first digit."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits)) + ".0"
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    if len(digits) == 1:
        return f"{digits}e{point - 1}"
    return f"{digits[0]}.{digits[1:]}e{point - 1}"
