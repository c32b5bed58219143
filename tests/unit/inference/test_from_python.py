"""docs/reference/batch.md, "From Python": the lines as they stand there."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.batch_bench import Bench
from tests.support.doc_blocks import fenced_blocks
from tests.support.sample_pictures import encoded, noise


def test_the_lines_of_the_reference_run_a_batch(
    make_bench: Callable[..., Bench],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench = make_bench(model_name="brush_strokes")
    (lines,) = [block.code for block in fenced_blocks("python") if block.page == "docs/reference/batch.md"]
    bench.add("one.png", encoded(noise(1)))
    bench.input.rename(tmp_path / "photos")
    (tmp_path / "lines.py").write_text(lines.replace("http://localhost:8501", bench.server.url))
    monkeypatch.chdir(tmp_path)

    runpy.run_path("lines.py")

    assert "'done': 1" in capsys.readouterr().out
    assert (tmp_path / "painted" / "one.png").is_file()
