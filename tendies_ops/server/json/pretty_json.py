"""
JSON in the format of RapidJSON's PrettyWriter: four blanks a level, arrays on one line or one element a line.

Answers are bytes because the strings of a model need not be UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import rapidjson

from tendies_ops.server.status_codes import StatusError, invalid_argument

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
    """Return a JSON string; bytes above 0x7f pass unchanged."""
    return b'"' + _NEEDS_ESCAPE.sub(lambda match: _ESCAPES[match.group()], text) + b'"'


def indent(level: int) -> bytes:
    """Return the indentation of a line."""
    return b"    " * level


def one_line(values: Sequence[bytes]) -> bytes:
    """Return an array on one line."""
    return b"[" + b", ".join(values) + b"]"


def lines(brackets: bytes, items: Sequence[bytes], level: int) -> bytes:
    """
    Return an array (``[]``) or object (``{}``) with a line for each item.

    :param level: the number of arrays and objects around it.
    """
    if not items:
        return brackets
    start = b"\n" + indent(level + 1)
    return brackets[:1] + start + (b"," + start).join(items) + b"\n" + indent(level) + brackets[1:]


def error_body(message: str) -> bytes:
    """Return the body of an error answer."""
    return lines(b"{}", [b'"error": ' + quoted(message.encode("utf-8", "surrogateescape"))], 0)


def debug_string(value: Any) -> str:
    """
    Return a value as error messages quote it: cut between tokens after 256 bytes.

    Source: json_tensor.cc, JsonValueToDebugString.
    """
    text = b""
    for token in _tokens(value, "", 0):
        text += token.encode()
        if len(text) >= _DEBUG_LIMIT_BYTES:
            break
    return text.decode()


def refused(value: Any, why: str) -> StatusError:
    """Return an error that quotes a value and explains what is wrong with it."""
    return invalid_argument(f"JSON Value: {debug_string(value)} {why}")


def _tokens(value: Any, before: str, level: int) -> Iterator[str]:
    if isinstance(value, list):
        yield before + "["
        for index, item in enumerate(value):
            yield from _tokens(item, ", " if index else "", level + 1)
        yield "]"
    elif isinstance(value, dict):
        line, last_line = "\n" + "    " * (level + 1), "\n" + "    " * level
        yield before + "{"
        for index, (name, item) in enumerate(value.items()):
            yield ("," if index else "") + line + rapidjson.dumps(name, ensure_ascii=False)
            yield from _tokens(item, ": ", level + 1)
        yield (last_line if value else "") + "}"
    else:
        yield before + rapidjson.dumps(value, ensure_ascii=False)
