"""A run of a version whose graph was rewritten links what the rewrites changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tendies_ops.inference.several_runs.sharded_run import ShardPlan, finish_shards
from tendies_ops.spec.manifest import MANIFEST_PATH
from tests.support.batch_bench import Bench
from tests.support.candidates import write_manifest
from tests.support.sample_pictures import folder_of_pngs, png

LINK = 'href="optimized_sheet.png"'
SHEET = "assets.extra/tendies_optimize/fold.png"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A model base path with version 1, which has a sheet for ``fold``; a picture lies next to it."""
    sheet = tmp_path / "base" / "1" / SHEET
    sheet.parent.mkdir(parents=True)
    sheet.write_bytes(png(5))
    (tmp_path / "base" / "outside.png").write_bytes(png(6))
    return tmp_path / "base"


def write_choice(base: Path, *, chosen: str, sheet: str = SHEET) -> None:
    """Let version 1 say that this variant was taken, and where the sheet of ``fold`` lies."""
    write_manifest(base / "1", golden=[])
    path = base / "1" / MANIFEST_PATH
    variants = [{"name": "fold", "passed": True, "sheet": sheet}]
    taken = {"wanted": "auto", "chosen": chosen, "why": "", "host": "", "variants": variants}
    path.write_text(json.dumps({**json.loads(path.read_text()), "optimization": taken}))


def page_of(bench: Bench, base: Path, *, chosen: str, sheet: str = SHEET) -> str:
    write_choice(base, chosen=chosen, sheet=sheet)
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


def test_the_report_of_shards_links_one_copy_of_its_own(bench: Bench, base: Path) -> None:
    write_choice(base, chosen="fold")
    folder_of_pngs(bench.input, 4)
    shards = [
        bench.run(model_base_path=str(base), shard=(index, 2), allow_empty=True, run_id=f"shard-{index}").summary()
        for index in range(2)
    ]

    whole = bench.options(model_base_path=str(base), run_id="whole")
    report = finish_shards(whole, ShardPlan(version=1, pictures=4, size_bytes=1, shards=2), shards)

    assert LINK in Path(report.paths["html"]).read_text()
    copy = bench.output / ".tendies" / "runs" / "whole" / "optimized_sheet.png"
    assert report.paths["optimized_sheet"] == str(copy)
    assert copy.read_bytes() == png(5)
