"""The commands of the README, the tutorial and the road of the notebook, run in order as they stand there."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from tests.support.how_to import blocks_of, in_another_terminal, needs_curl, run_block, write_named_files
from tests.support.pixels import pixels_of
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
    ports = {8501: free_port()}
    write_named_files(page, checkout, ports)
    with contextlib.ExitStack() as terminals:
        for block in blocks_of(page, ports):
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


@pytest.mark.timeout(600)
@needs_curl
def test_the_steps_of_the_notebook_of_2018_do_what_they_say(checkout: Path) -> None:
    export, release, _, _, batches = run_page(
        REPOSITORY / "docs" / "explanation" / "from-the-2018-notebook.md", checkout
    )
    assert "network input              float32 [1, 64, 64, 3]  min -0.937255" in export
    assert "largest difference to the source on 4 golden images: 0 of 255" in export
    assert "Version 1 of noise_to_stripes is released." in release
    assert "64 done, 0 skipped, 0 failed" in batches
    assert "0 done, 64 skipped, 0 failed" in batches
    answers = sorted((checkout / "answers").iterdir())
    assert len(answers) == 32
    assert (checkout / "one.png").read_bytes() == answers[0].read_bytes()
    for answer in answers:
        assert (pixels_of(answer.read_bytes()) == pixels_of((checkout / "results" / answer.name).read_bytes())).all()
