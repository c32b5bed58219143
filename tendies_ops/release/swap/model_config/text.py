"""
Read protobuf text format with the place of each field in the file, so that one can be changed and the rest kept.

It distinguishes what a ``ModelServerConfig`` needs: fields, messages in ``{}`` or ``<>``, lists in ``[]``, comments.
Source: protobuf.dev, "Text Format Language Specification".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tendies_ops.errors import UsageError

_TOKEN = re.compile(
    r"""(?P<blank>[\s]+|\#[^\n]*)|(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<word>[A-Za-z0-9_.+-]+)|(?P<mark>[{}<>\[\]:,;])""",
    re.ASCII,
)
_CLOSING = {"{": "}", "<": ">"}


@dataclass(frozen=True)
class Token:
    """A token and its place."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Value:
    """A scalar, with adjacent strings joined."""

    text: str
    start: int
    end: int


@dataclass
class Field:
    """``name: value`` or ``name { ... }``; ``start`` to ``end`` covers all of it."""

    name: str
    start: int
    end: int
    values: list[Value] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


@dataclass
class Message:
    """The fields between braces; ``start`` to ``end`` is the inside."""

    start: int
    end: int
    fields: list[Field] = field(default_factory=list)

    def named(self, name: str) -> list[Field]:
        """Return every field of that name, in order."""
        return [found for found in self.fields if found.name == name]

    def nested(self, name: str) -> list[Message]:
        """Return every message in the fields of that name."""
        return [message for found in self.named(name) for message in found.messages]

    def scalars(self, name: str) -> list[str]:
        """Return every scalar in the fields of that name."""
        return [value.text for found in self.named(name) for value in found.values]


def parse_places(text: str) -> Message:
    """
    Read a whole file.

    :raises UsageError: it is not text format; the message names the line.
    """
    reader = _Reader(text, list(_tokens(text)))
    message = Message(0, len(text))
    while not reader.at_end():
        message.fields.append(reader.field())
    return message


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise UsageError(f"{_where(text, position)}: {text[position]!r} has no meaning in protobuf text format.")
        if match.lastgroup != "blank":
            yield Token(match.group(), match.start(), match.end())
        position = match.end()


def _where(text: str, position: int) -> str:
    return f"line {text.count(chr(10), 0, position) + 1}"


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, text: str, tokens: list[Token]) -> None:
        self._text, self._tokens, self._at = text, tokens, 0

    def at_end(self) -> bool:
        return self._at >= len(self._tokens)

    def field(self) -> Field:
        name = self._next()
        if not re.fullmatch(r"[A-Za-z_]\w*", name.text, re.ASCII):
            raise self._unexpected(name, "the name of a field")
        found = Field(name.text, name.start, name.end)
        self._skip(":")
        self._value_or_list(found)
        found.end = self._tokens[self._at - 1].end
        self._skip(",") or self._skip(";")
        return found

    def _value_or_list(self, found: Field) -> None:
        if not self._skip("["):
            self._value(found)
            return
        while not self._skip("]"):
            self._value(found)
            self._skip(",")

    def _value(self, found: Field) -> None:
        token = self._next()
        if token.text in _CLOSING:
            found.messages.append(self._message(token))
        elif token.text[0] in "\"'":
            found.values.append(self._string(token))
        elif re.fullmatch(r"[\w.+-]+", token.text, re.ASCII):
            found.values.append(Value(token.text, token.start, token.end))
        else:
            raise self._unexpected(token, "a value")

    def _message(self, opening: Token) -> Message:
        message = Message(opening.end, opening.end)
        closing = _CLOSING[opening.text]
        while self._peek() != closing:
            message.fields.append(self.field())
        message.end = self._next().start
        return message

    def _string(self, first: Token) -> Value:
        parts, last = [first.text[1:-1]], first
        while self._peek()[:1] in {'"', "'"}:  # adjacent strings are one
            last = self._next()
            parts.append(last.text[1:-1])
        return Value(re.sub(r"\\(.)", r"\1", "".join(parts)), first.start, last.end)

    def _peek(self) -> str:
        if self.at_end():
            raise UsageError(f"{_where(self._text, len(self._text))}: the text ends inside a field.")
        return self._tokens[self._at].text

    def _next(self) -> Token:
        self._peek()
        self._at += 1
        return self._tokens[self._at - 1]

    def _skip(self, mark: str) -> bool:
        if self.at_end() or self._tokens[self._at].text != mark:
            return False
        self._at += 1
        return True

    def _unexpected(self, token: Token, wanted: str) -> UsageError:
        return UsageError(f"{_where(self._text, token.start)}: {token.text!r} was found where {wanted} is expected.")
