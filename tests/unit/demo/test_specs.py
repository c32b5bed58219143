from __future__ import annotations

from pathlib import Path

from examples.demo.specs import add_spec, read_example_specs
from tendies_ops.spec import load_indexed_specs, load_spec
from tendies_ops.working_folder import make_folder


def test_a_demo_spec_differs_from_the_example_in_folders_and_has_neither_server_nor_schedule(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for example in read_example_specs():
        add_spec(tmp_path, example)
        demo = load_spec(tmp_path / "specs" / f"{example.model_name}.yaml")
        assert demo.release.servers == ()
        assert demo.batch.input == str(tmp_path / "pictures" / example.model_name)
        assert demo.airflow.batch_cron is None
        replaced = {name: getattr(example, name) for name in ("release", "batch", "airflow")}
        assert demo.model_copy(update=replaced) == example
    assert [spec.model_name for spec in load_indexed_specs(tmp_path / "specs")] == [
        spec.model_name for spec in read_example_specs()
    ]


def test_a_spec_that_was_changed_or_added_is_kept(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for _ in range(2):
        for example in read_example_specs():
            add_spec(tmp_path, example)
        changed = tmp_path / "specs" / "brush_strokes.yaml"
        changed.write_text("model_name: brush_strokes\nsource: {checkpoint: other}\n")

    assert "other" in changed.read_text()
    assert (tmp_path / "specs" / "index.txt").read_text().count("brush_strokes.yaml") == 1
