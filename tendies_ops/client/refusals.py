"""
Decision whether the message of a refusal can be about a file.

A server with ``--enable_batching`` merges requests of all its clients, and TensorFlow answers all of them 400 when one
picture among them does not decode. Its message often has the size or the format of the file that it is about.
Sources: tensorflow core/kernels/image/decode_image_op.cc ("Invalid PNG data, size 254"), and the graphs that
``tendies export`` makes ("picture number 3 of this request").
"""

from __future__ import annotations

import re
from typing import Literal

Fit = Literal["its", "open", "foreign"]

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"BM", "BMP"), (b"RIFF", "WEBP"),
)  # fmt: skip
_BYTES = re.compile(r"\bdata\b[^.:;]{0,40}?\bsize:? ?(\d+)|\bgot (\d+) bytes", re.IGNORECASE)
_FORMATS = re.compile(r"\b(PNG|JPEG|GIF|BMP|WEBP)\b", re.IGNORECASE)
_NONE_OF = re.compile(r"\bnot an? (PNG|JPEG)\b", re.IGNORECASE)
_POSITION = re.compile(r"picture number\W+(\d+)\W+of this request")  # an assertion's parts stand in brackets


def fit_of_words(words: str, file: bytes) -> Fit:
    """
    Hold a server's words against the only file of a request.

    :param words: of the refusal.
    :param file: the whole file, as it was sent.
    :return: ``its``: the message has its size, which is nearly unique. ``foreign``: it has another size, format or
        place than the file's: another client's file was merged with it. ``open``: they can be about any file.
    """
    told_bytes = {int(number) for found in _BYTES.findall(words) for number in found if number}
    if told_bytes and len(file) not in told_bytes:
        return "foreign"
    file_format = next((name for magic, name in _MAGIC if file.startswith(magic)), None)
    formats = {name.upper() for name in _FORMATS.findall(words)}
    if file_format and len(formats) == 1 and file_format not in formats:
        return "foreign"
    if file_format in {"PNG", "JPEG"} and _NONE_OF.search(words) and file_format in formats:
        return "foreign"
    if any(int(number) > 0 for number in _POSITION.findall(words)):
        return "foreign"
    return "its" if told_bytes else "open"
