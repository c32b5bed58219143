"""
JSON to Python values, accepting and refusing what the real server's parser does, with its words and offsets.

Well-formed text goes through Python's C scanner. Everything else (errors, ``Inf``, broken UTF-8, lone surrogates, deep
nesting) goes through :mod:`tendies_ops.server.json_strict`, which follows RapidJSON 1.1.0 step by step.

Values: None, bool, int (within 64 bits), float, str, list, dict. Bytes that are not UTF-8 are surrogate escapes in
strings. Of a repeated name the first one counts, as with RapidJSON's FindMember.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterable
from typing import Any, Final

from tendies_ops.server.json_number import double_of
from tendies_ops.server.json_strict import parse_strict
from tendies_ops.server.status import invalid_argument

JsonObject = dict[str, Any]

_BOM: Final = b"\xef\xbb\xbf"
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_BLANKS: Final = re.compile(r"[ \t\n\r]*")


class RepeatedNames(JsonObject):
    """An object that names a member twice; ``pairs`` has them all, for the error texts that print it."""

    pairs: list[tuple[str, Any]]


def members(value: JsonObject) -> Iterable[tuple[str, Any]]:
    """Every member in the order of the text, repeated names included."""
    return value.pairs if isinstance(value, RepeatedNames) else value.items()


def c_string(name: str) -> str:
    """A member's name where the real server takes it as a C string, which ends at the first NUL."""
    return name.partition("\0")[0]


def make_object(pairs: list[tuple[str, Any]]) -> JsonObject:
    """An object of its members."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeated = RepeatedNames()
    for name, value in pairs:
        repeated.setdefault(name, value)
    repeated.pairs = pairs
    return repeated


class _NotPlainError(ValueError):
    """A number that the two parsers may read differently."""


def _plain_int(text: str) -> int:
    if len(text) > 18:
        raise _NotPlainError
    return int(text)


def _plain_float(text: str) -> float:
    value = float(text)
    if math.isinf(value) or 0.0 < abs(value) < sys.float_info.min:
        raise _NotPlainError
    return value


_quick: Final = json.JSONDecoder(object_pairs_hook=make_object, parse_int=_plain_int, parse_float=_plain_float)
_exact: Final = json.JSONDecoder(object_pairs_hook=make_object, parse_int=_plain_int, parse_float=double_of)


def parse_json(body: bytes | bytearray, *, exact: bool = False) -> Any:
    """
    Read the first JSON document of a request body; text behind it is ignored.

    :param exact: read doubles as the real server does, which is one unit in the last place off for some. Costs a
        microsecond a number, makes no difference to single precision.
    :raises StatusError: INVALID_ARGUMENT, ``JSON Parse error: ...``.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    if not _SURROGATE_ESCAPE.search(body):
        try:
            text = body.removeprefix(_BOM).decode("utf-8")
            start = _BLANKS.match(text).end()  # type: ignore[union-attr]  # it matches always
            document = (_exact if exact else _quick).raw_decode(text, start)[0]
            if type(document) not in (int, float):  # of 5. and 5e Python reads the 5
                return document
        except (ValueError, RecursionError):
            pass
    return parse_strict(bytes(body), make_object)
