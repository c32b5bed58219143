"""
A fast path for the requests of image clients: ``{"instances": [{"b64": "..."}, ...]}`` and nothing else.

The pictures are decoded in place, without a JSON parser that copies them, which halves the time of a request. Any
other request is left to the ordinary path, so only one place decides about it.
"""

from __future__ import annotations

import re
from typing import Final

import pybase64


def _pattern(*tokens: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"[ \t\n\r]*".join((b"", *tokens)))


_FILE: Final = (rb"\{", b'"b64"', b":", b'"')
_HEAD: Final = _pattern(rb"\{", b'"instances"', b":", rb"\[", *_FILE)
_BETWEEN: Final = _pattern(b'"', rb"\}", b",", *_FILE)
_TAIL: Final = _pattern(b'"', rb"\}", rb"\]", rb"\}")


def read_plain_files(body: bytes | bytearray) -> list[bytes] | None:
    """
    Read the files of such a request.

    :return: None if it is any other request, or a file is not plain base64.
    """
    step = _HEAD.match(body)
    if step is None:
        return None
    view = memoryview(body)
    files: list[bytes] = []
    while step is not None:
        end = body.find(b'"', step.end())
        try:
            files.append(pybase64.b64decode(view[step.end() : end], validate=True))
        except ValueError:
            return None
        step = _BETWEEN.match(body, end)
    return files if _TAIL.match(body, end) else None
