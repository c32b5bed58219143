"""Golden images that someone gives: what they are called, and what they must be able to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import ParityError
from tendies_ops.spec import ModelSpec
from tests.support.pixels import png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.test_sources import small_spec


def spec_with(small: Path, builder: str, golden: list[Path]) -> ModelSpec:
    return small_spec(small, {"checkpoint": "tf1", "builder": builder}, golden=golden)


def picture(path: Path, height: int, width: int, seed: int) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png(random_pixels(height, width, seed=seed)))
    return path


def test_golden_images_of_one_name_in_two_folders_are_two(
    small_sources: Path, export_here: ExportHere, tmp_path: Path
) -> None:
    golden = [picture(tmp_path / folder / "cat.png", 24, 24, seed) for seed, folder in enumerate(("old", "new"))]
    exported = export_here(spec_with(small_sources, "graph", golden))

    assert [entry.name for entry in exported.manifest.golden] == ["cat", "cat_2"]
    assert {entry.golden for entry in exported.manifest.parity} == {"cat", "cat_2"}


@pytest.mark.parametrize("sizes", [[(24, 24)], [(24, 24), (24, 32), (40, 24)]])
def test_a_network_that_mixes_a_batch_is_found_out_where_no_two_golden_images_are_of_one_size(
    sizes: list[tuple[int, int]], small_sources: Path, export_here: ExportHere, tmp_path: Path
) -> None:
    golden = [picture(tmp_path / f"{n}.png", *size, seed=n) for n, size in enumerate(sizes)]

    with pytest.raises(ParityError, match="mixes the pictures of a batch"):
        export_here(spec_with(small_sources, "graph_that_mixes_the_batch", golden))
