"""Every kind of broken input ends in one clear error and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tests.with_tensorflow.export.broken_checkpoints
import tests.with_tensorflow.export.broken_contracts
import tests.with_tensorflow.export.broken_graphs
import tests.with_tensorflow.export.broken_specs  # noqa: F401  # the four add their cases
from tendies_ops.errors import TendiesError
from tendies_ops.export.source_checks import check_inputs
from tendies_ops.spec import load_spec
from tests.with_tensorflow.export.broken_inputs import CASES


def write_spec(name: str, small: Path, tmp_path: Path) -> tuple[Path, str]:
    spec, words = CASES[name](small, tmp_path)
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path, words


def check_words(message: str, words: str) -> None:
    assert words in message
    assert "Traceback" not in message
    assert "\n" not in message.strip(), "one paragraph"
    assert len(message) < 1600


@pytest.mark.parametrize("name", CASES)
def test_a_broken_input_is_one_clear_error(name: str, small_sources: Path, tmp_path: Path) -> None:
    from tendies_ops.export.pipeline import export_to

    path, words = write_spec(name, small_sources, tmp_path)
    directory = tmp_path / "out"
    directory.mkdir()

    def export() -> None:
        spec = load_spec(path)
        check_inputs(spec)
        export_to(directory, spec, lambda _: None)

    with pytest.raises(TendiesError) as caught:
        export()

    assert caught.value.exit_status in (1, 2)
    check_words(str(caught.value), words)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_command_line_says_the_same_and_leaves_nothing(name: str, small_sources: Path, tmp_path: Path) -> None:
    path, words = write_spec(name, small_sources, tmp_path)
    output = tmp_path / "versions" / "out"

    command: list[str | Path] = [Path(sys.executable).with_name("tendies"), "export", path, "--output", output]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)

    assert done.returncode in (1, 2)
    check_words(done.stderr, words)
    assert not output.exists()
    assert not output.parent.exists() or not list(output.parent.iterdir())
