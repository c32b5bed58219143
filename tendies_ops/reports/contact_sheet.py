"""Before and after, side by side, many pictures on one sheet."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps

from tendies_ops.files import write_bytes_atomically

Picture = bytes | Path

_PAPER = (250, 250, 248)
_INK = (40, 40, 40)
_ABSENT = (225, 222, 218)
_GAP = 12
_CAPTION_HEIGHT = 18


def write_contact_sheet(
    pairs: Sequence[tuple[Picture, Picture | str, str]], path: Path, *, columns: int = 3, cell_size: int = 220
) -> Path:
    """
    Draw pairs of pictures with a caption under each pair.

    :param pairs: before, after (files or their bytes; ``after`` may be lines of text) and caption. What cannot be shown
        gets an empty cell.
    :param columns: pairs side by side.
    :param cell_size: longest side of each picture, in pixels; small pictures are enlarged without blur.
    :return: ``path``, a PNG.
    """
    columns = max(1, min(columns, len(pairs)))
    rows = max(1, -(-len(pairs) // columns))
    pair_width, pair_height = 2 * cell_size + _GAP // 2, cell_size + _CAPTION_HEIGHT
    size = (columns * (pair_width + _GAP) + _GAP, rows * (pair_height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (before, after, caption) in enumerate(pairs):
        left = _GAP + (number % columns) * (pair_width + _GAP)
        top = _GAP + (number // columns) * (pair_height + _GAP)
        _place(sheet, before, (left, top), cell_size)
        right = left + cell_size + _GAP // 2
        if isinstance(after, str):
            _write_lines(draw, after, (right, top), cell_size)
        else:
            _place(sheet, after, (right, top), cell_size)
        draw.text((left, top + cell_size + 3), _shortened(caption, pair_width), fill=_INK, font=_font())
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", compress_level=2)  # written at the end of every run: quick matters
    write_bytes_atomically(path, buffer.getvalue(), durable=False)
    return path


def write_matrix(
    headings: Sequence[str], rows: Sequence[tuple[str, Sequence[Picture | str]]], path: Path, *, cell_size: int = 160
) -> Path:
    """
    Draw a table of pictures.

    :param headings: of the columns.
    :param rows: caption, and a picture (or nothing, as ``""``) for each column.
    :return: ``path``, a PNG.
    """
    width = len(headings) * (cell_size + _GAP) + _GAP
    row_height = cell_size + _CAPTION_HEIGHT + _GAP
    sheet = Image.new("RGB", (width, _CAPTION_HEIGHT + _GAP + len(rows) * row_height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, heading in enumerate(headings):
        draw.text((_GAP + column * (cell_size + _GAP), 2), _shortened(heading, cell_size), fill=_INK, font=_font())
    for number, (caption, pictures) in enumerate(rows):
        top = _CAPTION_HEIGHT + _GAP + number * row_height
        for column, picture in enumerate(pictures):
            _place(sheet, picture, (_GAP + column * (cell_size + _GAP), top), cell_size)
        draw.text((_GAP, top + cell_size), _shortened(caption, width), fill=_INK, font=_font())
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    write_bytes_atomically(path, buffer.getvalue())
    return path


def _place(sheet: Image.Image, picture: Picture | str, at: tuple[int, int], cell_size: int) -> None:
    thumbnail = None if isinstance(picture, str) else _thumbnail(picture, cell_size)
    if thumbnail is None:
        ImageDraw.Draw(sheet).rectangle((*at, at[0] + cell_size - 1, at[1] + cell_size - 1), fill=_ABSENT)
        return
    sheet.paste(thumbnail, (at[0] + (cell_size - thumbnail.width) // 2, at[1] + (cell_size - thumbnail.height) // 2))


def _write_lines(draw: ImageDraw.ImageDraw, text: str, at: tuple[int, int], cell_size: int) -> None:
    lines = [line[: cell_size // 7] for line in text.splitlines()][: cell_size // _CAPTION_HEIGHT]
    for number, line in enumerate(lines):
        draw.text((at[0] + 4, at[1] + number * _CAPTION_HEIGHT), line, fill=_INK, font=_font())


def _thumbnail(picture: Picture, cell_size: int) -> Image.Image | None:
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture) as image:
            image.draft("RGB", (2 * cell_size, 2 * cell_size))
            upright = _on_paper(_in_srgb(ImageOps.exif_transpose(image)))
    except Exception:  # a picture that cannot be shown leaves its cell empty; the report does not fail
        return None
    if max(upright.size) * 2 <= cell_size:
        times = cell_size // max(upright.size)
        return upright.resize((upright.width * times, upright.height * times), Image.Resampling.NEAREST)
    upright.thumbnail((cell_size, cell_size), Image.Resampling.HAMMING)  # looks like LANCZOS at a third of its cost
    return upright


def _in_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in {"RGB", "CMYK"}:
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        shown = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:
        return image
    return shown or image


def _on_paper(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, (255, 255, 255, 255)), over).convert("RGB")
    return image.convert("RGB")


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(12)


def _shortened(caption: str, width: int) -> str:
    """Keep the end, where names differ."""
    printable = caption.encode("utf-8", "replace").decode()
    longest = width // 7
    return printable if len(printable) <= longest else "..." + printable[-(longest - 3) :]
