"""
Sends pictures through an exported SavedModel and shows them before and after, as the sheets in docs/pictures/ are.

    tendies export examples/models/brush_strokes.yaml --output /tmp/brush_strokes
    python examples/contact_sheet.py /tmp/brush_strokes PHOTO... --output docs/pictures/brush_strokes.png
"""

from __future__ import annotations

import argparse
import os
from io import BytesIO
from pathlib import Path

from PIL import Image

GAP_PX = 6
PAPER = (250, 248, 242)


def apply_saved_model(saved_model_dir: Path, files: list[bytes]) -> list[bytes]:
    """
    Run files through ``serving_default``, as Model Server does.

    :param saved_model_dir: a SavedModel that tendies exported.
    :param files: whole picture files.
    :return: whole picture files, in the same order.
    """
    import tensorflow as tf

    signature = tf.saved_model.load(str(saved_model_dir)).signatures["serving_default"]
    return [signature(input_bytes=tf.constant([file]))["output_bytes"].numpy()[0] for file in files]


def lay_out(before: list[Image.Image], after: list[Image.Image], *, columns: int, cell: tuple[int, int]) -> Image.Image:
    """
    Put every result below its picture.

    :param before: pictures.
    :param after: results, in the same order.
    :param columns: pairs next to each other.
    :param cell: width and height of one picture on the sheet, in pixels; pictures are cut to this shape, then scaled.
    """
    rows = -(-len(before) // columns)
    width, height = cell
    pair_height = 2 * height + 3 * GAP_PX
    sheet = Image.new("RGB", (columns * (width + GAP_PX) + GAP_PX, rows * pair_height + GAP_PX), PAPER)
    for index, pair in enumerate(zip(before, after, strict=True)):
        left = GAP_PX + (index % columns) * (width + GAP_PX)
        top = GAP_PX + (index // columns) * pair_height
        for place, picture in enumerate(pair):
            sheet.paste(_cut(picture, cell), (left, top + place * (height + GAP_PX)))
    return sheet


def _cut(picture: Image.Image, cell: tuple[int, int]) -> Image.Image:
    """Cut out the middle in the cell's shape, as large as it goes, and scale it."""
    width, height = cell
    scale = min(picture.width / width, picture.height / height)
    left, top = (picture.width - width * scale) / 2, (picture.height - height * scale) / 2
    box = (left, top, left + width * scale, top + height * scale)
    return picture.convert("RGB").resize(cell, Image.Resampling.LANCZOS, box=box)


def _read_picture(path: Path, longest_side_px: int | None) -> bytes:
    """Read a picture as the file to send, made smaller first where a longest side is given."""
    if longest_side_px is None:
        return path.read_bytes()
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((longest_side_px, longest_side_px), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def main() -> None:
    """Read the command line, run the model, write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("saved_model_dir", type=Path, help="a SavedModel that `tendies export` made")
    parser.add_argument("pictures", type=Path, nargs="+", help="PNG or JPEG files")
    parser.add_argument("--output", type=Path, required=True, help="the sheet, a PNG file")
    parser.add_argument("--columns", type=int, default=3)
    parser.add_argument("--cell", type=int, nargs=2, default=(288, 216), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--longest-side", type=int, default=None, help="make pictures this small before they are sent")
    parser.add_argument("--colours", type=int, default=None, help="reduce the sheet to this many colours")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    files = [_read_picture(path, arguments.longest_side) for path in arguments.pictures]
    results = apply_saved_model(arguments.saved_model_dir, files)
    before, after = ([Image.open(BytesIO(file)) for file in group] for group in (files, results))
    sheet = lay_out(before, after, columns=arguments.columns, cell=tuple(arguments.cell))
    if arguments.colours is not None:
        sheet = sheet.quantize(arguments.colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
    sheet.save(arguments.output, optimize=True)
    print(f"Wrote {arguments.output} ({arguments.output.stat().st_size / 1e6:.2f} MB)")


if __name__ == "__main__":
    main()
