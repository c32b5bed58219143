"""Draw boxes on a picture."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont

from tendies_ops.inference.results.detections import Detection

# Distinguishable with any kind of colour vision (Okabe and Ito, "Color Universal Design", 2008).
_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
_INK = {"#E69F00": "black", "#56B4E9": "black", "#F0E442": "black"}  # on the light ones; white on the others


def draw_boxes(picture: Image.Image, detections: Iterable[Detection]) -> Image.Image:
    """
    Draw each box with its label and score; the weakest first, so that the best are on top.

    :return: a new picture of mode RGB.
    """
    drawn = picture.convert("RGB")
    draw = ImageDraw.Draw(drawn)
    side = min(drawn.size)
    font = ImageFont.load_default(max(10, side // 32))
    for one in reversed(list(detections)):
        _draw_one(draw, drawn.size, one, font, line=max(1, side // 200))
    return drawn


def _draw_one(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    one: Detection,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    *,
    line: int,
) -> None:
    top, left, bottom, right = one.box
    colour = _COLOURS[one.class_number % len(_COLOURS)]
    x, y = round(left * (size[0] - 1)), round(top * (size[1] - 1))
    draw.rectangle((x, y, round(right * (size[0] - 1)), round(bottom * (size[1] - 1))), outline=colour, width=line)
    words = f" {one.label} {one.score:.2f} "
    _, _, width, height = draw.textbbox((0, 0), words, font=font)
    above = y - round(height) - line
    y = above if above >= 0 else y + line  # inside, if there is no room above
    x = max(0, min(x, size[0] - round(width)))
    draw.rectangle((x, y, x + width, y + height + line), fill=colour)
    draw.text((x, y), words, font=font, fill=_INK.get(colour, "white"))
