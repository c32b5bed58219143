"""
Draws pictures small, in a process of its own: ``python -m tendies_ops.web.pictures.drawing`` (see :mod:`.drawers`).

What a browser gets is never the file itself but a WebP that was drawn from its pixels, so a picture that is also a
script, a page or an archive arrives as a picture and nothing else. Decoders run on files that anyone may have written:
they get a processor and memory limit for each picture, and the process may be killed at any time.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import struct
import sys
import warnings
from typing import BinaryIO

from PIL import Image, ImageOps

#: Raster formats whose decoders are used. SVG, PDF, EPS and other programs that draw are not among them.
SAFE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_MEGAPIXELS = 64.0
MAX_SCANS = 100  #: of a JPEG file; encoders write at most a few dozen, and each one costs a pass over all pixels
MAX_CPU_S = 6  #: of the processor, for one picture
MAX_MEMORY_BYTES = 1 << 30  #: of the whole process; 64 megapixels in RGBA are 256 MB
LENGTH = struct.Struct(">BI")  #: how an answer begins: 1 for a WebP or 0 for a reason, and its length in bytes
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # neither a stuffed byte nor a restart nor a fill byte
_START_OF_SCAN, _END_OF_IMAGE, _START_OF_IMAGE = b"\xff\xda", b"\xff\xd9", b"\xff\xd8"


class NotAPictureError(Exception):
    """The file cannot be shown; the text has the reason."""


def encode_safely(path: str | os.PathLike[str], *, side: int) -> bytes:
    """
    Draw the picture again.

    :param side: longest side in pixels; smaller pictures keep their size.
    :return: a WebP file without any metadata, upright by its EXIF orientation.
    :raises NotAPictureError: it is not a picture, it is damaged, or it is too large or too costly to open.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open(path, "rb") as stream:  # noqa: PTH123 - one open file for both readings
                _refuse_many_scans(stream)
                with Image.open(stream, formats=SAFE_FORMATS) as image:
                    return _drawn_again(image, side)
        except NotAPictureError:
            raise
        except MemoryError as error:
            raise NotAPictureError("It takes too much memory to open.") from error
        except Exception as error:  # decoders of hostile files raise anything: struct.error, SyntaxError, KeyError ...
            raise NotAPictureError(f"It cannot be decoded: {type(error).__name__}.") from error


def count_scans(data: bytes, *, limit: int) -> int:
    """
    Count the scans of the first image in a JPEG file.

    :param limit: stop counting above this number.
    """
    scans, at = 0, 2
    while scans <= limit:
        found = _MARKER.search(data, at)
        if found is None or found[0] == _END_OF_IMAGE:
            break
        scans += found[0] == _START_OF_SCAN
        at = found.end()
        if found[0] != b"\xff\x01":  # the one other marker without a length
            at += int.from_bytes(data[at : at + 2], "big")
    return scans


def _refuse_many_scans(stream: BinaryIO) -> None:
    if stream.read(2) == _START_OF_IMAGE:
        stream.seek(0)
        if count_scans(stream.read(), limit=MAX_SCANS) > MAX_SCANS:
            raise NotAPictureError(f"It has more than {MAX_SCANS} scans.")
    stream.seek(0)


def _drawn_again(image: Image.Image, side: int) -> bytes:
    width, height = image.size
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise NotAPictureError(f"{width} x {height} is over the limit of {MAX_MEGAPIXELS:g} megapixels.")
    image.draft("RGB", (side, side))  # lets the JPEG decoder skip detail that is thrown away below
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((side, side), Image.Resampling.BOX if max(upright.size) > 4 * side else Image.Resampling.LANCZOS)
    has_alpha = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
    plain = upright.convert("RGBA" if has_alpha else "RGB")
    stream = io.BytesIO()
    lossless = max(plain.size) <= 96  # small pictures are viewed pixel by pixel
    plain.save(stream, "WEBP", quality=88, method=2, lossless=lossless, exif=b"", icc_profile=b"")
    return stream.getvalue()


def _limit_processor() -> None:
    """Let the system end this process (SIGXCPU) if the next picture takes more than its share of the processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + MAX_CPU_S, hard))


def _limit_memory() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = MAX_MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(hard, MAX_MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def main() -> None:
    """Draw what standard input asks for, one JSON object a line, until it ends; answer on standard output."""
    os.nice(10)
    _limit_memory()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _send(1, b"")  # ready
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        _limit_processor()
        try:
            drawn, answer = 1, encode_safely(os.fsdecode(bytes.fromhex(asked["path"])), side=asked["side"])
        except NotAPictureError as error:
            drawn, answer = 0, str(error).encode()
        _send(drawn, answer)


def _send(drawn: int, answer: bytes) -> None:
    sys.stdout.buffer.write(LENGTH.pack(drawn, len(answer)) + answer)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
