"""
Reads protocol buffers in text form: model configs, monitoring configs, batching parameters.

Source: https://protobuf.dev/reference/protobuf/textformat-spec/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tendies_ops.server.status import invalid_argument

#: Field name -> every value given, in order: str for text, numbers and words, a message for what is in braces.
Message = dict[str, list[Any]]
#: What a message may hold: field name -> the schema of a message, or None for a scalar; in a list where it repeats.
Schema = Mapping[str, Any]

_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:\#[^\n]*\n?[ \t\r\n]*)*
    (?:(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<word>-?[A-Za-z0-9_.+][A-Za-z0-9_.+\-]*)
    |(?P<mark>[{}<>\[\]:,;])
    |(?P<end>\Z))""",
    re.VERBOSE,
)


def parse_text_proto(text: str, schema: Schema, what: str) -> Message:
    """
    Read one message.

    :param schema: its fields; wrapper messages like ``{ value: 8 }`` are messages with a field ``value``.
    :param what: the type's name, for the error.
    :raises StatusError: INVALID_ARGUMENT with line and column.
    """
    return _Reader(text, what).message(schema, closing="")


class _Reader:
    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._offset = 0
        self._lexemes = self._scan()
        self._kind, self._lexeme = next(self._lexemes)

    def _scan(self) -> Iterator[tuple[str, str]]:
        while True:
            match = _TOKEN.match(self._text, self._offset)
            if match is None or match.lastgroup is None:
                raise self._error("expected a field, a value or a closing brace")
            start = match.start(match.lastgroup)
            self._start, self._offset = start, match.end()
            yield match.lastgroup, match[match.lastgroup]

    def _next(self) -> tuple[str, str]:
        found = self._kind, self._lexeme
        if self._kind != "end":
            self._kind, self._lexeme = next(self._lexemes)
        return found

    def _error(self, message: str) -> Exception:
        start = getattr(self, "_start", 0)
        line = self._text.count("\n", 0, start) + 1
        column = start - (self._text.rfind("\n", 0, start) + 1) + 1
        return invalid_argument(f"Error parsing text-format {self._what}: {line}:{column}: {message}")

    def message(self, schema: Schema, closing: str) -> Message:
        found: Message = {}
        while not (self._kind == "end" and not closing) and self._lexeme != closing:
            if self._kind != "word":
                raise self._error(f"expected a field name, found {self._lexeme!r}")
            name = self._lexeme
            if name not in schema:
                raise self._error(f'Message type "{self._what}" has no field named "{name}".')
            field = schema[name]
            if name in found and not isinstance(field, list):
                raise self._error(f'Non-repeated field "{name}" is specified multiple times.')
            self._next()
            found.setdefault(name, []).extend(self._values(field[0] if isinstance(field, list) else field))
            if self._kind == "mark" and self._lexeme in ",;":
                self._next()
        self._next()
        return found

    def _values(self, schema: Schema | None) -> list[Any]:
        has_colon = self._lexeme == ":" and self._kind == "mark"
        if has_colon:
            self._next()
        if self._kind == "mark" and self._lexeme == "[":
            return self._list(schema)
        if schema is not None:
            return [self._braces(schema)]
        if not has_colon:
            raise self._error(f"expected ':', found {self._lexeme!r}")
        return [self._scalar()]

    def _list(self, schema: Schema | None) -> list[Any]:
        self._next()
        values = []
        while self._lexeme != "]":
            values.append(self._scalar() if schema is None else self._braces(schema))
            if self._lexeme == ",":
                self._next()
        self._next()
        return values

    def _braces(self, schema: Schema) -> Message:
        opening = self._lexeme
        if self._kind != "mark" or opening not in "{<":
            raise self._error(f"expected '{{', found {opening!r}")
        self._next()
        return self.message(schema, "}" if opening == "{" else ">")

    def _scalar(self) -> str:
        if self._kind == "string":
            parts = []
            while self._kind == "string":
                parts.append(_unescaped(self._next()[1][1:-1]))
            return "".join(parts)
        if self._kind != "word":
            raise self._error(f"expected a value, found {self._lexeme!r}")
        return self._next()[1]


def _unescaped(text: str) -> str:
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape") if "\\" in text else text
