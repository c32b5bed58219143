"""What is told before TensorFlow is started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.errors import ExportError, SpecError, TendiesError
from tendies_ops.export.source_checks import check_inputs
from tendies_ops.spec import ModelSpec

CODE = """
from somewhere import borrowed
made = lambda image: image
def build(image):
    return image
class Model: ...
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model.keras").write_bytes(b"PK")
    (tmp_path / "code.py").write_text(CODE)
    return tmp_path


def spec(folder: Path, golden: tuple[str, ...] = (), **source: Any) -> ModelSpec:
    source = {"checkpoint": folder / "model.keras", **source}
    return ModelSpec.model_validate({"model_name": "m", "source": source, "golden": [folder / name for name in golden]})


@pytest.mark.parametrize("name", ["build", "Model", "made", "borrowed"])
def test_functions_classes_assignments_and_imports_are_builders(folder: Path, name: str) -> None:
    check_inputs(spec(folder, builder=f"{folder}/code.py:{name}"))


def test_a_star_import_may_bring_anything(folder: Path) -> None:
    (folder / "star.py").write_text("from network import *\n")
    check_inputs(spec(folder, builder=f"{folder}/star.py:anything"))


def test_the_code_is_read_and_not_run(folder: Path) -> None:
    (folder / "exits.py").write_text("import sys\ndef f(x): return x\nsys.exit(9)\n")
    check_inputs(spec(folder, builder=f"{folder}/exits.py:f"))


@pytest.mark.parametrize(
    ("builder", "words"),
    [
        ("{}/code.py:biuld", "Did you mean `build`?"),
        ("{}/code.py", "must be `module:function`"),
        ("{}/none.py:f", "none.py cannot be read"),
        (":f", "must be `module:function`"),
    ],
)
def test_a_wrong_builder_is_reported(folder: Path, builder: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_inputs(spec(folder, builder=builder.format(folder)))
    assert words in str(caught.value)


def test_a_missing_or_empty_graph_file_is_reported(folder: Path) -> None:
    (folder / "empty.pb").touch()
    for name, words in {"gone.meta": "cannot be read", "empty.pb": "is empty"}.items():
        with pytest.raises(ExportError, match=words):
            check_inputs(spec(folder, graph=folder / name))


def test_a_missing_checkpoint_says_whether_the_folder_is_there(folder: Path) -> None:
    for path, words in {folder / "x": "has no such name", folder / "x" / "y": "does not exist either"}.items():
        with pytest.raises(TendiesError, match=words):
            check_inputs(spec(folder, checkpoint=path))


def test_golden_images_are_looked_at(folder: Path) -> None:
    (folder / "note.png").write_text("no picture")
    with pytest.raises(SpecError, match="not a PNG or JPEG"):
        check_inputs(spec(folder, golden=("note.png",)))


def test_tensorflow_stays_away() -> None:
    script = "import sys, tendies_ops.export.source_checks; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
