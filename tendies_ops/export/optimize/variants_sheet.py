"""Float32, a variant and their difference, side by side, a row for each golden image."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tendies_ops.compare import Pixels, decode_pixels

MAGNIFICATION = 8
_LARGEST_SIDE = 256
_GAP = 8
_CAPTION_HEIGHT = 20
_PAPER, _INK = (250, 250, 248), (40, 40, 40)


def write_sheet(rows: Sequence[tuple[bytes, bytes]], path: Path, *, title: str) -> None:
    """
    Draw the sheet. The same pictures make the same bytes.

    :param rows: the answers of float32 and of the variant, image files of one size.
    :param title: the variant's name.
    """
    cells = [_cells(reference, answer) for reference, answer in rows]
    widths = [max(row[column].width for row in cells) for column in range(3)]
    heights = [max(cell.height for cell in row) for row in cells]
    size = (sum(widths) + 4 * _GAP, sum(heights) + (len(cells) + 1) * _GAP + _CAPTION_HEIGHT)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    left = _GAP
    for column, caption in enumerate(("float32", title, f"difference x {MAGNIFICATION}")):
        draw.text((left, 5), caption, fill=_INK, font=ImageFont.load_default(12))
        top = _CAPTION_HEIGHT + _GAP
        for row, height in zip(cells, heights, strict=True):
            sheet.paste(row[column], (left, top))
            top += height + _GAP
        left += widths[column] + _GAP
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=6)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())


def _cells(reference: bytes, answer: bytes) -> tuple[Image.Image, ...]:
    before, after = decode_pixels(reference)[..., :3], decode_pixels(answer)[..., :3]
    # Grey means no difference; lighter and darker are different things.
    difference = 127.5 + MAGNIFICATION * (after - before)
    return tuple(_thumbnail(pixels) for pixels in (before, after, difference))


def _thumbnail(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
    if max(image.size) > _LARGEST_SIDE:
        # A corner at full size, not the whole made small: differences of single pixels would average out.
        return image.crop((0, 0, min(image.width, _LARGEST_SIDE), min(image.height, _LARGEST_SIDE)))
    times = max(1, _LARGEST_SIDE // max(image.size))
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
