"""Contact sheets: pairs side by side, upright, whatever the files are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops

from tendies_ops.reports import write_contact_sheet
from tests.support.sample_pictures import encoded, png


def test_before_is_left_of_after_and_turned_pictures_stand_upright(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6  # to be turned a quarter: stored wide, shown tall
    turned = encoded(Image.new("RGB", (80, 40), (255, 0, 0)), "JPEG", exif=tags)
    after = encoded(Image.new("RGB", (40, 80), (0, 0, 255)))
    sheet = Image.open(write_contact_sheet([(turned, after, "a")], tmp_path / "sheet.png", cell_size=100))
    reds = _where(sheet, lambda r, _, b: r > 200 and b < 60)
    blues = _where(sheet, lambda r, _, b: b > 200 and r < 60)
    assert max(x for x, _ in reds) < min(x for x, _ in blues)
    assert len({y for _, y in reds}) > len({x for x, _ in reds})


def test_what_cannot_be_shown_leaves_an_empty_cell(tmp_path: Path) -> None:
    pairs: list[tuple[bytes | Path, bytes | Path, str]] = [
        (b"broken", png(1), "bytes \udcff"),
        (tmp_path / "no", b"", ""),
    ]
    sheet = Image.open(write_contact_sheet(pairs, tmp_path / "sheet.png"))
    assert sheet.width > 2 * 220


def _where(image: Image.Image, like: Callable[[int, int, int], bool]) -> list[tuple[int, int]]:
    rows = np.asarray(image.convert("RGB")).tolist()
    return [(x, y) for x in range(image.width) for y in range(image.height) if like(*rows[y][x])]


def test_numbers_stand_next_to_the_picture_as_lines(tmp_path: Path) -> None:
    plain = Image.open(write_contact_sheet([(png(1), "", "a")], tmp_path / "plain.png", cell_size=100))
    sheet = Image.open(
        write_contact_sheet([(png(1), "cat  0.9\ndog  0.1", "a")], tmp_path / "sheet.png", cell_size=100)
    )
    written = ImageChops.difference(plain, sheet).getbbox()
    assert written is not None
    left, top, right, bottom = written
    assert left >= 100 + 12
    assert right <= sheet.width - 12
    assert 20 < bottom - top < 40
