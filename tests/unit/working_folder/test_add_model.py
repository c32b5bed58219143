from __future__ import annotations

from pathlib import Path

from tendies_ops.spec import load_indexed_specs
from tendies_ops.working_folder import add_model, make_folder, place_of_spec

SPEC = "model_name: mine\nsource: {checkpoint: mine.keras}\n"


def test_a_model_of_a_working_folder_gets_folders_for_its_batch_and_a_line_in_the_index(tmp_path: Path) -> None:
    make_folder(tmp_path)
    path = place_of_spec(tmp_path, "mine")
    path.write_text(SPEC)

    assert [add_model(path, "mine"), add_model(path, "mine")] == [True, True]

    [spec] = load_indexed_specs(tmp_path / "specs")
    assert (spec.batch.input, spec.batch.output) == (f"{tmp_path}/pictures/mine", f"{tmp_path}/results/mine")
    assert (tmp_path / "pictures" / "mine").is_dir()


def test_a_spec_outside_a_working_folder_remains_unchanged(tmp_path: Path) -> None:
    path = place_of_spec(tmp_path, "mine")
    path.write_text(SPEC)

    assert add_model(path, "mine") is False
    assert path == tmp_path / "mine.yaml"
    assert path.read_text() == SPEC
