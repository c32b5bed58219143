from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tendies_ops.export.optimize.variants_sheet import MAGNIFICATION, write_sheet
from tests.support.candidates import to_png


def test_the_third_column_is_grey_where_nothing_differs_and_eight_times_the_change_elsewhere(tmp_path: Path) -> None:
    before = np.full((256, 256, 3), 100, np.uint8)
    after = before.copy()
    after[128:] += 5
    write_sheet([(to_png(before), to_png(after))], tmp_path / "a" / "sheet.png", title="bfloat16")
    sheet = np.asarray(Image.open(tmp_path / "a" / "sheet.png"))
    column = sheet[28:, -100]  # below the captions, inside the last picture

    assert sheet.shape[1] == 3 * 256 + 4 * 8
    assert set(column[4:120].flatten()) <= {127, 128}
    assert abs(int(column[200, 0]) - (127.5 + MAGNIFICATION * 5)) <= 1


def test_the_same_pictures_make_the_same_bytes(tmp_path: Path) -> None:
    rows = [
        (to_png(np.full((40, 60, 3), value, np.uint8)), to_png(np.zeros((40, 60, 3), np.uint8))) for value in (0, 9)
    ]
    for name in ("a.png", "b.png"):
        write_sheet(rows, tmp_path / name, title="bfloat16")

    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
