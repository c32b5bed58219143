"""
Colours of PNG files that are not sRGB and have no ICC profile.

Sources: PNG specification (W3C, third edition), 11.3.2.3 cICP and 11.3.2.1 gAMA, and their order of precedence in 4.3;
ITU-T H.273 for the numbers in cICP; IEC 61966-2-1 for sRGB.
"""

from __future__ import annotations

import struct

from PIL import Image

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.picture.header import png_chunks_before_pixels

_SRGB_GAMMA = 0.45455
_CLOSE = 0.02  # gammas this near to each other look the same
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
_DISPLAY_P3 = 12  # colour primaries of cICP
#: Linear Display P3 to linear sRGB; both have the white point D65.
_P3_TO_SRGB = ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))


def png_to_srgb(image: Image.Image, data: bytes) -> Image.Image:
    """
    Convert the pixels of a PNG file to sRGB.

    :param image: mode L or RGB, decoded from the file.
    :param data: the whole file.
    :raises PictureError: the picture is HDR, which 8-bit sRGB cannot hold.
    """
    chunks = dict(png_chunks_before_pixels(data))
    if b"cICP" in chunks and len(chunks[b"cICP"]) == 4:
        return _from_cicp(image, *chunks[b"cICP"][:2])
    if b"gAMA" in chunks and not {b"iCCP", b"sRGB"} & chunks.keys() and len(chunks[b"gAMA"]) == 4:
        return _from_gamma(image, struct.unpack(">I", chunks[b"gAMA"])[0] / 100_000)
    return image


def _from_cicp(image: Image.Image, primaries: int, transfer: int) -> Image.Image:
    if transfer in _HDR_TRANSFERS:
        raise PictureError("unsupported", f"it is an HDR picture ({_HDR_TRANSFERS[transfer]}); convert it to sRGB")
    if primaries != _DISPLAY_P3 or image.mode != "RGB":
        return image
    import numpy as np  # costs more to import than most runs need

    linear = np.asarray([_to_linear(value / 255) for value in range(256)], dtype=np.float32)[np.asarray(image)]
    mixed = np.clip(linear @ np.asarray(_P3_TO_SRGB, dtype=np.float32).T, 0.0, 1.0)
    steps = np.asarray([_to_byte(_from_linear(value / 4095)) for value in range(4096)], dtype=np.uint8)
    return Image.fromarray(steps[np.rint(mixed * 4095).astype(np.int16)], "RGB")


def _from_gamma(image: Image.Image, gamma: float) -> Image.Image:
    if gamma <= 0 or abs(gamma - _SRGB_GAMMA) < _CLOSE:
        return image
    table = [_to_byte(_from_linear((value / 255) ** (1 / gamma))) for value in range(256)]
    return image.point(table * len(image.getbands()))


def _to_linear(sample: float) -> float:
    return sample / 12.92 if sample <= 0.04045 else ((sample + 0.055) / 1.055) ** 2.4


def _from_linear(light: float) -> float:
    return light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def _to_byte(sample: float) -> int:
    return round(sample * 255)
