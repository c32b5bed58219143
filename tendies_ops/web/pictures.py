"""
Pictures as the pages show them: decoded and encoded anew, small, and made once.

What a browser gets is never the file itself but a WebP that was drawn from its pixels, so a picture that is also a
script, a page or an archive arrives as a picture and nothing else.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageOps

from tendies_ops.files import write_bytes_atomically

#: Raster formats whose decoders are asked. SVG, PDF, EPS and other programs that draw are not among them.
SAFE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_MEGAPIXELS = 64.0
THUMBNAIL_SIDE = 320
FULL_SIDE = 2048
MEDIA_TYPE = "image/webp"

_decoding = threading.BoundedSemaphore(2)  # bounds the memory: a 64 megapixel picture is 256 MB while it is open


class NotAPictureError(Exception):
    """It cannot be shown; the text says why."""


def encode_safely(path: Path, *, side: int) -> bytes:
    """
    Draw the picture anew.

    :param side: longest side in pixels; smaller pictures keep their size.
    :return: a WebP file without any metadata, upright as EXIF says.
    :raises NotAPictureError: it is none, it is damaged, or it is too large to open.
    """
    with _decoding, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(path, formats=SAFE_FORMATS) as image:
                return _drawn_anew(image, side)
        except NotAPictureError:
            raise
        except Exception as error:  # decoders of hostile files raise anything: struct.error, SyntaxError, KeyError ...
            raise NotAPictureError(f"It cannot be decoded: {type(error).__name__}.") from error


def _drawn_anew(image: Image.Image, side: int) -> bytes:
    width, height = image.size
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise NotAPictureError(f"{width} x {height} is over the limit of {MAX_MEGAPIXELS:g} megapixels.")
    image.draft("RGB", (side, side))  # lets the JPEG decoder skip detail that is thrown away below
    upright = ImageOps.exif_transpose(image)
    upright.thumbnail((side, side), Image.Resampling.BOX if max(upright.size) > 4 * side else Image.Resampling.LANCZOS)
    has_alpha = upright.mode in {"RGBA", "LA", "PA"} or "transparency" in upright.info
    plain = upright.convert("RGBA" if has_alpha else "RGB")
    stream = io.BytesIO()
    lossless = max(plain.size) <= 96  # small pictures are looked at pixel by pixel
    plain.save(stream, "WEBP", quality=88, method=2, lossless=lossless, exif=b"", icc_profile=b"")
    return stream.getvalue()


class PictureCache:
    """Encoded pictures by content: a file that changes is drawn again, a file that does not is never read twice."""

    def __init__(self, directory: Path, *, max_bytes: int, encode: Callable[..., bytes] = encode_safely) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._encode = encode
        self._lock = threading.Lock()
        self._making = [threading.Lock() for _ in range(64)]  # one for all pictures whose names begin alike
        self._written_bytes = max_bytes  # unknown until the first tidy-up, which the first write starts

    def get(self, path: Path, *, side: int) -> bytes:
        """
        The picture at ``path``, at most ``side`` pixels along its longest side.

        :raises NotAPictureError: it cannot be shown.
        :raises OSError: it cannot be read.
        """
        name = cache_name(path, side)
        cached = self._directory / name[:2] / f"{name}.webp"
        if data := _content(cached):
            return data
        with self._making[int(name[:2], 16) % len(self._making)]:
            if data := _content(cached):  # somebody who asked at the same time has made it
                return data
            data = self._encode(path, side=side)
            self._keep(cached, data)
            return data

    def _keep(self, cached: Path, data: bytes) -> None:
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(cached, data, durable=False)
        except OSError:
            return  # a full disk costs speed, not the page
        with self._lock:
            self._written_bytes += len(data)
            if self._written_bytes >= self._max_bytes:
                self._written_bytes = forget_oldest(self._directory, keep_bytes=self._max_bytes // 2)


def cache_name(path: Path, side: int) -> str:
    """
    What tells this picture in this size from every other, and from itself before it was written anew.

    :raises OSError: there is no such file.
    """
    status = path.stat()
    identity = f"{path}\0{status.st_dev}\0{status.st_ino}\0{status.st_size}\0{status.st_mtime_ns}\0{side}"
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()


def _content(cached: Path) -> bytes | None:
    """None: it is not there yet, or no cache can be had."""
    try:
        return cached.read_bytes()
    except OSError:
        return None


def forget_oldest(directory: Path, *, keep_bytes: int) -> int:
    """
    Remove files, oldest first, until those that stay are small enough.

    :return: bytes of those that stay.
    """
    files = []
    for folder, _, names in os.walk(directory):
        for name in names:
            path = Path(folder, name)
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    kept_bytes = 0
    for _, size_bytes, path in sorted(files, reverse=True):
        if kept_bytes + size_bytes > keep_bytes:
            path.unlink(missing_ok=True)
        else:
            kept_bytes += size_bytes
    return kept_bytes
