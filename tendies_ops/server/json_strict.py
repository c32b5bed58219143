"""
A JSON parser that follows RapidJSON 1.1.0's iterative parser, errors and offsets included.

With the real server's flags: iterative, NaN and Inf, stop when done, no full precision. Slow, and only for what the C
scanner of :mod:`tendies_ops.server.json_text` refuses. Nothing recurses, so depth costs memory alone.
Source: rapidjson/reader.h of version 1.1.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from tendies_ops.server.json_number import NUMBER, number_of
from tendies_ops.server.status import StatusError, invalid_argument

_BLANKS: Final = re.compile(rb"[ \t\n\r]*")
_PLAIN: Final = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX4: Final = re.compile(rb"[0-9a-fA-F]{4}")
_MAX_DEPTH: Final = 20_000  # where the real server ends its process; here memory is what more would cost
_LITERALS: Final[dict[int, tuple[bytes, Any]]] = {
    ord("t"): (b"true", True),
    ord("f"): (b"false", False),
    ord("n"): (b"null", None),
}
_ESCAPES: Final[dict[int, bytes]] = {
    ord(letter): byte
    for letter, byte in zip('"/\\bfnrt', (b'"', b"/", b"\\", b"\b", b"\f", b"\n", b"\r", b"\t"), strict=True)
}

# What each state of the machine says when the next token does not fit.
_START, _IN_ARRAY, _IN_OBJECT, _AFTER_ELEMENT, _AFTER_NAME, _AFTER_MEMBER = range(6)
_MISFIT: Final = {
    _START: "The document is empty.",
    _IN_ARRAY: "Invalid value.",
    _IN_OBJECT: "Missing a name for object member.",
    _AFTER_ELEMENT: "Missing a comma or ']' after an array element.",
    _AFTER_NAME: "Missing a colon after a name of object member.",
    _AFTER_MEMBER: "Missing a comma or '}' after an object member.",
}

MakeObject = Callable[[list[tuple[str, Any]]], dict[str, Any]]


def parse_strict(body: bytes, make_object: MakeObject) -> Any:
    """
    Read one document.

    :param make_object: makes an object of its members.
    :raises StatusError: INVALID_ARGUMENT with RapidJSON's words and byte offset.
    """
    return _Parser(body, make_object).document()


def _error(what: str, offset: int) -> StatusError:
    return invalid_argument(f"JSON Parse error: {what} at offset: {offset}")


class _Open:
    """An array or object whose end has not come; ``name`` is the member whose value comes next."""

    __slots__ = ("elements", "members", "name")

    def __init__(self, *, is_array: bool) -> None:
        self.elements: list[Any] | None = [] if is_array else None
        self.members: list[tuple[str, Any]] = []
        self.name = ""

    def add(self, value: Any) -> None:
        if self.elements is None:
            self.members.append((self.name, value))
        else:
            self.elements.append(value)


class _Parser:
    def __init__(self, body: bytes, make_object: MakeObject) -> None:
        self.body = body
        self.make_object = make_object
        self.offset = 0
        for byte in b"\xef\xbb\xbf":  # a byte order mark, of which each byte may be missing
            self.offset += self.peek() == byte
        self.open: list[_Open] = []

    def peek(self) -> int:
        return self.body[self.offset] if self.offset < len(self.body) else 0

    def skip_blanks(self) -> int:
        self.offset = _BLANKS.match(self.body, self.offset).end()  # type: ignore[union-attr]  # it matches always
        return self.peek()

    def document(self) -> Any:
        if self.skip_blanks() == 0:
            raise _error(_MISFIT[_START], self.offset)
        while True:
            finished, value = self.value(_IN_ARRAY if self.open else _START)
            while finished:
                if not self.open:
                    return value
                self.open[-1].add(value)
                finished, value = self.after_value()

    def value(self, state: int) -> tuple[bool, Any]:
        """Read a scalar, or open an array or object; the latter is not finished unless it is empty."""
        token = self.skip_blanks()
        if token in b"[{" and token:
            return self.open_container(is_array=token == ord("["))
        if token == ord('"'):
            return True, self.string()
        if token in _LITERALS:
            return True, self.literal(*_LITERALS[token])
        if token == 0 or token in b"]},:":
            raise _error(_MISFIT[state], self.offset)
        return True, self.number()

    def open_container(self, *, is_array: bool) -> tuple[bool, Any]:
        self.offset += 1
        closing = ord("]") if is_array else ord("}")
        if self.skip_blanks() == closing:
            self.offset += 1
            return True, [] if is_array else self.make_object([])
        if len(self.open) >= _MAX_DEPTH:
            raise _error("Nested too deep.", self.offset - 1)
        self.open.append(_Open(is_array=is_array))
        if not is_array:
            self.member_name()
        return False, None

    def member_name(self) -> None:
        if self.skip_blanks() != ord('"'):
            raise _error(_MISFIT[_IN_OBJECT], self.offset)
        self.open[-1].name = self.string()
        if self.skip_blanks() != ord(":"):
            raise _error(_MISFIT[_AFTER_NAME], self.offset)
        self.offset += 1

    def after_value(self) -> tuple[bool, Any]:
        """Behind an element or member: a comma (not finished), or the end of what is open (finished)."""
        container = self.open[-1]
        in_array = container.elements is not None
        token = self.skip_blanks()
        if token == ord(","):
            self.offset += 1
            if not in_array:
                self.member_name()
            return False, None
        if token != (ord("]") if in_array else ord("}")):
            raise _error(_MISFIT[_AFTER_ELEMENT if in_array else _AFTER_MEMBER], self.offset)
        self.offset += 1
        self.open.pop()
        return True, container.elements if in_array else self.make_object(container.members)

    def literal(self, word: bytes, value: Any) -> Any:
        for letter in word:
            if self.peek() != letter:
                raise _error("Invalid value.", self.offset)
            self.offset += 1
        return value

    def string(self) -> str:
        """Raw bytes pass unchecked, as without RapidJSON's kParseValidateEncodingFlag."""
        self.offset += 1
        parts = []
        while True:
            match = _PLAIN.match(self.body, self.offset)
            assert match is not None
            parts.append(match.group())
            self.offset = match.end()
            byte = self.peek()
            if byte == ord('"'):
                self.offset += 1
                return b"".join(parts).decode("utf-8", "surrogateescape")
            if byte != ord("\\"):
                what = "Invalid escape character" if byte else "Missing a closing quotation mark"
                raise _error(f"{what} in string.", self.offset)
            parts.append(self.escape())

    def escape(self) -> bytes:
        start = self.offset
        self.offset += 1
        letter = self.peek()
        if letter in _ESCAPES:
            self.offset += 1
            return _ESCAPES[letter]
        if letter != ord("u"):
            raise _error("Invalid escape character in string.", start)
        self.offset += 1
        code = self.hex4(start)
        if 0xD800 <= code <= 0xDBFF:
            code = self.low_surrogate(code, start)
        # A lone low surrogate passes, as three bytes that are no UTF-8.
        return chr(code).encode("utf-8", "surrogatepass")

    def low_surrogate(self, high: int, start: int) -> int:
        if self.body[self.offset : self.offset + 2] != b"\\u":
            raise _error("The surrogate pair in string is invalid.", start)
        self.offset += 2
        low = self.hex4(start)
        if not 0xDC00 <= low <= 0xDFFF:
            raise _error("The surrogate pair in string is invalid.", start)
        return (((high - 0xD800) << 10) | (low - 0xDC00)) + 0x10000

    def hex4(self, start: int) -> int:
        match = _HEX4.match(self.body, self.offset)
        if match is None:
            raise _error("Incorrect hex digit after \\u escape in string.", start)
        self.offset = match.end()
        return int(match.group(), 16)

    def number(self) -> int | float:
        start = self.offset
        match = NUMBER.match(self.body, start)
        if match is None:
            return self.nan_or_infinity()
        self.offset = match.end()
        self.refuse_unfinished(match)
        value = number_of(match)
        if value is None:
            raise _error("Number too big to be stored in double.", start)
        return value

    def refuse_unfinished(self, match: re.Match[bytes]) -> None:
        """``5.`` and ``5e`` and ``5e+``: the pattern stops before what is missing."""
        byte = self.peek()
        if byte == ord(".") and match.group(3) is None and match.group(4) is None:
            raise _error("Miss fraction part in number.", self.offset + 1)
        if byte in b"eE" and byte and match.group(4) is None:
            signed = self.body[self.offset + 1 : self.offset + 2] in (b"+", b"-")
            raise _error("Miss exponent in number.", self.offset + (2 if signed else 1))

    def nan_or_infinity(self) -> float:
        """``NaN``, ``Inf`` and ``Infinity`` (the minus of ``-NaN`` is dropped); anything else is no value."""
        minus = self.peek() == ord("-")
        self.offset += minus
        if self.consume(b"NaN"):
            return float("nan")
        if self.peek() == ord("I") and self.consume(b"Inf"):
            if self.peek() == ord("i") and not self.consume(b"inity"):
                raise _error("Invalid value.", self.offset)
            return float("-inf" if minus else "inf")
        raise _error("Invalid value.", self.offset)

    def consume(self, word: bytes) -> bool:
        """Step over as much of the word as is there; whether it was all."""
        for letter in word:
            if self.peek() != letter:
                return False
            self.offset += 1
        return True
