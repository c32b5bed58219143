"""Archives of models: what is inside, by its names alone. Nothing is unpacked."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import IO

_MOST_NAMES = 10_000
_MOST_BYTES = 128 * 1024 * 1024  #: unpacked, of a compressed tar: its names are between its files
_PACKED: dict[bytes, ModuleType] = {b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ": lzma}
#: Formats by names inside, the surest first.
_KINDS = (
    (re.compile(r"(^|/)saved_model\.pb(txt)?$"), "a SavedModel"),
    (re.compile(r"\.keras$"), "a Keras model"),
    (re.compile(r"\.(h5|hdf5)$"), "a Keras file"),
    (re.compile(r"\.tflite$"), "a TensorFlow Lite model"),
    (re.compile(r"\.onnx$"), "an ONNX model"),
    (re.compile(r"(^|/)model\.json$"), "a TensorFlow.js model"),
    (re.compile(r"\.meta$"), "a TensorFlow 1 checkpoint with its graph"),
    (re.compile(r"\.(index|ckpt)$"), "a TensorFlow checkpoint"),
    (re.compile(r"\.pb(txt)?$"), "a TensorFlow graph"),
    (re.compile(r"\.(pth?|safetensors)$|(^|/)data\.pkl$"), "a PyTorch model"),
)


def content_of(archive: Path) -> str | None:
    """
    Describe the model in an archive and its place, as the end of a sentence.

    :return: None: nothing that is known, or the archive cannot be read.
    """
    try:
        names = list(islice(_names(archive), _MOST_NAMES))
    except (OSError, EOFError, ValueError, tarfile.TarError, zipfile.BadZipFile):
        return None
    return next((f"{what} at {found}" for pattern, what in _KINDS if (found := _first(names, pattern))), None)


def _names(archive: Path) -> Iterator[str]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield from file.namelist()
        return
    packed = next((module for magic, module in _PACKED.items() if _head(archive).startswith(magic)), None)
    if packed is None:
        with tarfile.open(archive, "r:") as tar:
            yield from (member.name for member in tar)
        return
    ends = contextlib.suppress(tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error)  # where the part ends
    with packed.open(archive, "rb") as stream, tarfile.open(fileobj=_Part(stream), mode="r|") as tar, ends:
        yield from (member.name for member in tar)


def _head(archive: Path) -> bytes:
    with archive.open("rb") as stream:
        return stream.read(6)


def _first(names: Iterable[str], pattern: re.Pattern[str]) -> str | None:
    return min((name for name in names if pattern.search(name)), key=len, default=None)


class _Part(io.RawIOBase):
    """The first bytes of a stream."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = _MOST_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(data)
        return data
