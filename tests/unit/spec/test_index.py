from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import SpecError
from tendies_ops.spec import Wanted, load_indexed_specs
from tests.support.specs import write_specs


def test_the_specs_that_the_index_names_are_read_in_its_order(tmp_path: Path) -> None:
    write_specs(tmp_path, {"model_name": "b"}, {"model_name": "a"})

    assert [spec.model_name for spec in load_indexed_specs(tmp_path)] == ["b", "a"]


def test_a_spec_that_the_index_does_not_name_is_not_read(tmp_path: Path) -> None:
    write_specs(tmp_path, {"model_name": "a"})
    (tmp_path / "half_copied.yaml").write_text("model_na")

    assert [spec.model_name for spec in load_indexed_specs(tmp_path)] == ["a"]


def test_an_empty_index_names_no_spec(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_text("# none yet\n\n")

    assert load_indexed_specs(tmp_path) == []


def test_without_an_index_every_yaml_file_of_the_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    write_specs(tmp_path, {"model_name": "b"}, {"model_name": "a"})
    (tmp_path / "index.txt").unlink()
    (tmp_path / ".half_copied.yaml").write_text("model_na")
    (tmp_path / "notes.txt").write_text("none of the specs")

    assert [spec.model_name for spec in load_indexed_specs(tmp_path)] == ["a", "b"]


def test_a_folder_of_specs_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent cannot be listed \(No such file"):
        load_indexed_specs(tmp_path / "absent")


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(include=["lion*"]), ["lion", "lion_cub"]),
        (Wanted(exclude=["*[bl].yaml"]), ["lion"]),
        (Wanted(dag_id="tendies_batch_lion_cub__nightly"), ["lion", "lion_cub"]),
        (Wanted(dag_id="tendies_batch_owl"), ["owl"]),
    ],
)
def test_only_wanted_specs_are_read(tmp_path: Path, wanted: Wanted, names: list[str]) -> None:
    write_specs(tmp_path, *({"model_name": name} for name in ("lion", "lion_cub", "owl")))
    if wanted.dag_id == "tendies_batch_owl":
        (tmp_path / "lion.yaml").write_text("model_name: 'x'\nbut: [this is not YAML")

    assert [spec.model_name for spec in load_indexed_specs(tmp_path, wanted=wanted)] == names


def test_a_name_in_the_index_without_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_text("absent.yaml\n")

    with pytest.raises(SpecError, match=r"absent\.yaml"):
        load_indexed_specs(tmp_path)


def test_a_wrong_spec_is_reported_and_left_out_where_someone_listens(tmp_path: Path) -> None:
    write_specs(tmp_path, {"model_name": "a"}, {"model_name": "b"})
    (tmp_path / "a.yaml").write_text("model_nam: a")
    (tmp_path / "index.txt").write_text("a.yaml\ngone.yaml\nb.yaml\nb.yaml\n")
    problems: list[SpecError] = []

    assert [spec.model_name for spec in load_indexed_specs(tmp_path, on_problem=problems.append)] == ["b"]
    assert [
        str(problem).count(word) for problem, word in zip(problems, ("a.yaml", "gone.yaml", "two specs"), strict=True)
    ]


@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_mark_that_editors_put_first_is_no_part_of_a_name(tmp_path: Path, mark: str) -> None:
    write_specs(tmp_path, {"model_name": "a"})
    (tmp_path / "index.txt").write_text(f"{mark}a.yaml\r\n", encoding="utf-8")

    assert [spec.model_name for spec in load_indexed_specs(tmp_path)] == ["a"]


def test_an_index_in_another_encoding_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "index.txt").write_bytes(b"mod\xe8le.yaml\n")

    with pytest.raises(SpecError, match=r"index\.txt cannot be read .*can't decode"):
        load_indexed_specs(tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/out", "/out"),
        ("/out", "/out/"),
        ("/out/b", "/out"),
        ("s3://x/out", "s3://x/out/b"),
        ("/out", "file:///out/c"),
    ],
)
def test_two_specs_with_one_output_or_one_inside_the_other_are_named(tmp_path: Path, one: str, other: str) -> None:
    write_specs(
        tmp_path, {"model_name": "a", "batch": {"output": one}}, {"model_name": "b", "batch": {"output": other}}
    )

    with pytest.raises(SpecError, match=r"`batch\.output` of b is .*, `batch\.output` of a is .* output folder of its"):
        load_indexed_specs(tmp_path)


def test_specs_whose_outputs_begin_the_same_way_have_folders_of_their_own(tmp_path: Path) -> None:
    write_specs(
        tmp_path,
        {"model_name": "a", "batch": {"output": "/out"}},
        {"model_name": "b", "batch": {"output": "/out2"}},
        {"model_name": "c"},
        {"model_name": "d"},
    )

    assert len(load_indexed_specs(tmp_path)) == 4


def test_two_specs_of_one_model_are_named(tmp_path: Path) -> None:
    write_specs(tmp_path, {"model_name": "a"})
    (tmp_path / "index.txt").write_text("a.yaml\na.yaml\n")

    with pytest.raises(SpecError, match="two specs of model a"):
        load_indexed_specs(tmp_path)


def test_two_batches_of_one_spec_with_one_output_are_named(tmp_path: Path) -> None:
    batches = {"day": {"output": "/out/x"}, "night": {"output": "/out"}}
    write_specs(tmp_path, {"model_name": "a", "batches": batches})

    with pytest.raises(SpecError, match=r"`batches\.night\.output` of a is /out, `batches\.day\.output` of a"):
        load_indexed_specs(tmp_path)
