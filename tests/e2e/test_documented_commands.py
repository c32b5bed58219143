"""The commands of the README and of the tutorial, run one after the other as they stand there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.support.how_to import blocks_of, in_another_terminal, run_block
from tests.support.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Where a reader sits: the examples are there, and what the commands write stays out of the real checkout."""
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    return tmp_path


def run_page(page: Path, checkout: Path) -> list[str]:
    """Run every block of a page and return what each wrote."""
    written = []
    with contextlib.ExitStack() as terminals:
        for block in blocks_of(page, {8501: free_port()}):
            if block.in_background:
                terminals.enter_context(in_another_terminal(block, checkout))
            else:
                written.append(run_block(block, checkout))
    return written


@pytest.mark.timeout(400)
def test_the_readme_does_what_it_says(checkout: Path) -> None:
    export, release = run_page(REPOSITORY / "README.md", checkout)
    assert "largest difference to the source on 4 golden images: 0 of 255" in export
    assert "Version 1 of noise_to_stripes is released." in release
    assert "64 done, 0 skipped, 0 failed of 64 pictures" in release
    assert len(list((checkout / "results").glob("*.png"))) == 64


@pytest.mark.timeout(600)
def test_the_tutorial_does_what_it_says(checkout: Path) -> None:
    noise, export, release, batch, again, broken, second, back = run_page(
        REPOSITORY / "docs" / "tutorial" / "README.md", checkout
    )
    assert "Wrote 64 pictures" in noise
    assert "noise_to_stripes is at" in export
    assert "Version 1 of noise_to_stripes is released." in release
    assert "64 done, 0 skipped, 0 failed" in batch
    assert "0 done, 64 skipped, 0 failed" in again
    assert "0 done, 64 skipped, 1 failed" in broken
    assert "broken.png" in broken
    assert "Version 2 of noise_to_stripes is released." in second
    assert "Version 1 of noise_to_stripes serves again." in back
