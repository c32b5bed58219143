"""
The quick way for what image clients send: ``{"instances": [{"b64": "..."}, ...]}`` and nothing else.

The pictures are decoded where they lie in the body: no JSON parser copies them, which halves the time of a request.
Whatever looks different in any way is left to the ordinary way, so that nothing is judged twice.
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
    Read the files of the usual request.

    :return: None where it is anything else, or a file is not plain base64.
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
