"""
The quick way for what image clients send: ``{"instances": [{"b64": "..."}, ...]}``.

The pictures are cut out of the body and decoded where they lie: no JSON parser copies them. Whatever looks different
in any way is left to the ordinary way, so that nothing is judged twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import pybase64

_BLANK: Final = rb"[ \t\n\r]*"
_SIGNATURE: Final = rb'"signature_name"' + _BLANK + rb":" + _BLANK + rb'"([A-Za-z0-9_.\-]*)"' + _BLANK
_NAME: Final = rb'(?:"([A-Za-z0-9_.\-]+)"' + _BLANK + rb":" + _BLANK + rb"\{" + _BLANK + rb")?"
_B64: Final = rb'"b64"' + _BLANK + rb":" + _BLANK + rb'"'
_HEAD: Final = re.compile(
    _BLANK + rb"\{" + _BLANK + rb"(?:" + _SIGNATURE + rb"," + _BLANK + rb")?"
    rb'"instances"' + _BLANK + rb":" + _BLANK + rb"\[" + _BLANK + rb"\{" + _BLANK + _NAME + _B64
)  # fmt: skip
_TAIL: Final = re.compile(_BLANK + rb"\]" + _BLANK + rb"(?:," + _BLANK + _SIGNATURE + rb")?\}")


@dataclass(frozen=True)
class PlainBytes:
    """A request of nothing but whole files."""

    signature_name: str
    input_name: str | None  #: None: the only input of the signature
    files: list[bytes]


def read_plain_bytes(body: bytes | bytearray) -> PlainBytes | None:
    """
    Read the usual request.

    :return: None where it is anything else, or a file is not plain base64.
    """
    head = _HEAD.match(body)
    if head is None:
        return None
    signature, name = head.groups()
    try:
        files, start = _read_files(body, head.end(), _between(name))
    except ValueError:
        return None
    tail = _TAIL.match(body, start)
    if tail is None:
        return None
    name_text = None if name is None else name.decode()
    first = tail.group(1) if signature is None else signature  # of a repeated name the first one counts
    return PlainBytes((first or b"").decode(), name_text, files)


def _read_files(body: bytes | bytearray, start: int, between: re.Pattern[bytes]) -> tuple[list[bytes], int]:
    """
    Cut the files out and decode them.

    :param start: where the first one begins.
    :return: them, and where what comes behind the last begins.
    :raises ValueError: one is not plain base64, or something else stands between two.
    """
    view = memoryview(body)
    files: list[bytes] = []
    separator = None  # as this client writes it: looked up in the body sooner than matched
    while True:
        end = body.find(b'"', start)
        files.append(pybase64.b64decode(view[start:end], validate=True))
        if separator and body.startswith(separator, end):
            start = end + len(separator)
            continue
        step = between.match(body, end)
        if step is None:
            raise ValueError("no separator")
        start = step.end()
        if step.group(1) is None:
            return files, start
        separator = step.group()


def _between(name: bytes | None) -> re.Pattern[bytes]:
    """From the quote that ends one file to the first byte of the next, or (group 1 empty) to behind the last."""
    opening, closing = _BLANK + rb"\{" + _BLANK, _BLANK + rb"\}"
    if name is not None:
        opening += rb'"' + re.escape(name) + rb'"' + _BLANK + rb":" + _BLANK + rb"\{" + _BLANK
        closing += _BLANK + rb"\}"
    return re.compile(rb'"' + closing + rb"(?:" + _BLANK + rb"(,)" + opening + _B64 + rb")?")
