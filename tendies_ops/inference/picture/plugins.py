"""
Formats that Pillow reads with a plugin of another package: HEIF and JPEG XL.

Source of the JPEG XL size: ISO/IEC 18181-1, SizeHeader; its boxes: ISO/IEC 18181-2.
"""

from __future__ import annotations

import functools
import importlib
import struct

#: Format -> module that registers it, and Pillow's name for it then.
_PLUGINS = {"HEIF": ("pillow_heif", "HEIF"), "JPEG XL": ("pillow_jxl", "JXL")}
PACKAGES = "airflow-provider-tendies[heif]"
_CODESTREAM = b"\xff\x0a"
_SIDE_BITS = (9, 13, 18, 30)
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


@functools.cache
def load_plugin(format_name: str) -> str | None:
    """
    Load the plugin for a format on its first use.

    :return: Pillow's name for the format; None if it needs no plugin, or none is installed.
    """
    module_name, name = _PLUGINS.get(format_name, ("", None))
    if name is None:
        return None
    try:
        module = importlib.import_module(module_name)
    except ImportError:
        return None
    if format_name == "HEIF":
        module.register_heif_opener(thumbnails=False)
    return name


def is_readable_with_plugin(format_name: str) -> bool:
    """Return True if a plugin reads the format, installed or not."""
    return format_name in _PLUGINS


def jpeg_xl_size(data: bytes) -> tuple[int, int] | None:
    """
    Read width and height of a whole JPEG XL file; its plugin decodes all pixels before it reports the size.

    :return: None if the header cannot be read.
    """
    start = _codestream_start(data)
    if start is None or len(data) < start + 12:
        return None
    bits = _Bits(int.from_bytes(data[start + 2 : start + 12], "little"))
    is_small = bits.take(1)
    height = _side(bits, is_small)
    ratio = bits.take(3)
    if ratio == 0:
        return _side(bits, is_small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


class _Bits:
    """Bits of a number, the lowest first."""

    def __init__(self, value: int) -> None:
        self._value = value

    def take(self, count: int) -> int:
        taken = self._value & ((1 << count) - 1)
        self._value >>= count
        return taken


def _side(bits: _Bits, is_small: int) -> int:
    return 8 * (bits.take(5) + 1) if is_small else bits.take(_SIDE_BITS[bits.take(2)]) + 1


def _codestream_start(data: bytes) -> int | None:
    if data.startswith(_CODESTREAM):
        return 0
    at = 0
    while at + 16 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        header_bytes = 16 if length == 1 else 8
        if kind in {b"jxlc", b"jxlp"}:
            start = at + header_bytes + (4 if kind == b"jxlp" else 0)
            return start if data.startswith(_CODESTREAM, start) else None
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length < header_bytes:
            return None
        at += length
    return None
