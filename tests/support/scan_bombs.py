"""JPEG files that are small to store and dear to open: progressive ones with many more scans than pixels need."""

from __future__ import annotations

import io

from PIL import Image

_SOS, _EOI = b"\xff\xda", b"\xff\xd9"


def scan_bomb(scans: int, *, width: int = 7992, height: int = 7992) -> bytes:
    """
    Return a progressive JPEG of one grey whose last scan, which changes nothing, comes again and again.

    At its usual size it has 63.9 megapixels, and each of its scans makes a decoder pass over a million blocks.
    """
    stream = io.BytesIO()
    Image.new("L", (width, height), 77).save(stream, "JPEG", progressive=True)
    data = stream.getvalue()
    last = data.rindex(_SOS)
    whole, scan = data[:last], data[last : data.rindex(_EOI)]
    return whole + scan * (scans - whole.count(_SOS)) + _EOI
