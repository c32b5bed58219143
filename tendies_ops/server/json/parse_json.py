"""
JSON to Python values with RapidJSON, the real server's own parser: its words, its offsets, its last digits.

Values: None, bool, int (within 64 bits), float, str, list, dict.
"""

from __future__ import annotations

import re
from typing import IO, Any, Final, cast

import rapidjson

from tendies_ops.server.status_codes import invalid_argument

JsonObject = dict[str, Any]

_BOM: Final = b"\xef\xbb\xbf"
_PIECE_BYTES: Final = 64 << 10
_PARSE_ERROR: Final = re.compile(r"Parse error at offset (\d+): (.*?)[.!]*", re.DOTALL)
_ROOT_FOLLOWED: Final = "The document root must not be followed by other values"


class _Decoder(rapidjson.Decoder):
    """Decodes objects; if a name occurs twice, the first member counts, as in RapidJSON's FindMember."""

    def start_object(self) -> list[tuple[str, Any]]:
        return []

    def end_object(self, pairs: list[tuple[str, Any]]) -> JsonObject:
        found = dict(pairs)
        return found if len(found) == len(pairs) else {**found, **dict(reversed(pairs))}


class _Body:
    """A body as a stream; the parser releases the interpreter lock between two pieces."""

    def __init__(self, body: bytes | bytearray | memoryview) -> None:
        self._rest = memoryview(body)

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


# Not kParseFullPrecisionFlag: one double in eight is off by one unit in the last place.
_decode: Final = _Decoder(number_mode=rapidjson.NM_NATIVE | rapidjson.NM_NAN)


def parse_json(body: bytes | bytearray) -> Any:
    """
    Read the first JSON document of a request body; text after it is ignored.

    :raises StatusError: INVALID_ARGUMENT, ``JSON Parse error: ...``.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    return _parse(memoryview(body)[len(_BOM) if body.startswith(_BOM) else 0 :])


def _parse(body: memoryview) -> Any:
    try:
        return _decode(cast("IO[bytes]", _Body(body)), chunk_size=_PIECE_BYTES)
    except (rapidjson.JSONDecodeError, RecursionError) as error:
        match = _PARSE_ERROR.fullmatch(str(error))
        if match is None:
            raise invalid_argument(f"JSON Parse error: {error}") from None
        offset, what = int(match[1]), match[2]
        if what != _ROOT_FOLLOWED:
            what = "Nested too deep" if "recursion" in what else what
            raise invalid_argument(f"JSON Parse error: {what}. at offset: {offset}") from None
    except UnicodeDecodeError:
        raise invalid_argument("JSON Parse error: Invalid encoding in string.") from None
    return _parse(body[:offset])
