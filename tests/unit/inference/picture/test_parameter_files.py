"""What tables and sidecars in the input say about pictures, and what they may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.picture.parameter_files import ParameterFiles, find_parameter_files
from tendies_ops.inference.storage.local import LocalInput


def read(folder: Path, **files: str) -> ParameterFiles:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return find_parameter_files(LocalInput(folder), str(folder / "out"))


def test_a_folder_without_such_files_says_nothing(tmp_path: Path) -> None:
    assert not read(tmp_path)


def test_a_table_has_paths_and_patterns_and_the_path_wins(tmp_path: Path) -> None:
    files = read(tmp_path, params_csv="path,style,strength\nwinter/a.jpg,monet,\nwinter/**,wave,0.5\n")

    assert files.values_for("winter/a.jpg") == {"style": "monet", "strength": 0.5}
    assert files.values_for("winter/b.jpg") == {"style": "wave", "strength": 0.5}
    assert files.values_for("b.jpg") == {}


def test_lines_of_json_say_the_same(tmp_path: Path) -> None:
    files = read(tmp_path, params_jsonl='{"path": "a.jpg", "mix": [0.5, 0.5]}\n\n{"path": "*.png", "style": 3}\n')

    assert files.values_for("a.jpg") == {"mix": [0.5, 0.5]}
    assert files.values_for("sub/b.png") == {"style": 3}


def test_a_sidecar_wins_over_the_table_and_is_for_one_picture(tmp_path: Path) -> None:
    files = read(tmp_path, params_csv="path,style\n**,wave\n", sub__beach_params_yaml="style: 9\n")

    assert files.values_for("sub/beach.jpg") == {"style": 9}
    assert files.values_for("beach.jpg") == {"style": "wave"}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("params_csv", "file,style\na.jpg,3\n", "column `path`"),
        ("params_csv", "path,style\na.jpg,3,4\n", "params.csv, line 2: it has more values"),
        ("params_csv", 'path,style\n"a.jpg,3\n', "is not CSV"),
        ("params_jsonl", '{"path": "a.jpg"}\n{"path": 3}\n', "params.jsonl, line 2"),
        ("params_jsonl", "{\n", "params.jsonl, line 1: it is not JSON"),
    ],
)
def test_a_wrong_table_ends_the_run_with_its_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(tmp_path, **{name: text})


@pytest.mark.parametrize("text", ["- a\n", "style: [\n", "x" * 70_000])
def test_a_wrong_sidecar_costs_its_picture(tmp_path: Path, text: str) -> None:
    files = read(tmp_path, a_params_yaml=text, b_params_yaml="style: 1")

    with pytest.raises(PictureError, match=r"a\.params\.yaml"):
        files.values_for("a.jpg")
    assert files.values_for("b.jpg") == {"style": 1}


def test_the_output_below_the_input_is_not_read(tmp_path: Path) -> None:
    files = read(tmp_path, out__a_params_yaml="style: 1")

    assert files.values_for("out/a.jpg") == {}
