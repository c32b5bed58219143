"""A run of a version whose graph was rewritten links what the rewrites changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tendies_ops.spec.manifest import MANIFEST_PATH
from tests.support.batch_bench import Bench
from tests.support.candidates import write_manifest
from tests.support.sample_pictures import folder_of_pngs, png

LINK = 'href="optimized_sheet.png"'
SHEET = "assets.extra/tendies_optimize/fold.png"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model base path with version 1, which has a sheet for ``fold``; a picture lies beside it."""
    sheet = tmp_path / "base" / "1" / SHEET
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(png(5))
    (tmp_path / "base" / "outside.png").write_bytes(png(6))
    return tmp_path / "base"


def page_of(bench: Bench, base: Path, *, chosen: str, sheet: str = SHEET) -> str:
    write_manifest(base / "1", golden=[])
    path = base / "1" / MANIFEST_PATH
    variants = [{"name": "fold", "passed": True, "sheet": sheet}]
    taken = {"wanted": "auto", "chosen": chosen, "why": "", "host": "", "variants": variants}
    path.write_text(json.dumps({**json.loads(path.read_text()), "optimization": taken}))
    folder_of_pngs(bench.input, 2)
    return Path(bench.run(model_base_path=str(base)).paths["html"]).read_text()


def test_the_report_links_a_copy_of_the_served_variants_sheet(bench: Bench, base: Path) -> None:
    assert LINK in page_of(bench, base, chosen="fold")
    [copy] = bench.output.glob(".tendies/runs/*/optimized_sheet.png")
    assert copy.read_bytes() == png(5)


@pytest.mark.parametrize(
    ("chosen", "sheet"), [("float32", SHEET), ("fold", "../outside.png"), ("fold", "assets.extra/gone.png")]
)
def test_no_sheet_is_linked_that_is_not_the_served_versions(bench: Bench, base: Path, chosen: str, sheet: str) -> None:
    assert LINK not in page_of(bench, base, chosen=chosen, sheet=sheet)
    assert not list(bench.output.glob(".tendies/runs/*/optimized_sheet.png"))
