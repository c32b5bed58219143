"""Folders of a spec that Airflow renders for each run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import SpecError
from tendies_ops.spec import load_spec
from tendies_ops.spec.roots import input_roots
from tendies_ops.spec.templates import fixed_folder, is_template


def write_spec(folder: Path, place: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(f"model_name: m\nsource: {{checkpoint: c.keras}}\nbatch:\n  input: '{place}'\n")
    return path


@pytest.mark.parametrize(
    ("place", "folder"),
    [
        ("/photos", "/photos"),
        ("/photos/{{ ds }}/raw", "/photos"),
        ("/photos/day-{{ ds }}", "/photos"),
        ("s3://bucket/in/{% if x %}a{% endif %}", "s3://bucket/in"),
        ("s3://bucket-{{ ds }}", ""),
        ("{{ var.value.photos }}/in", ""),
    ],
)
def test_what_is_fixed_of_a_folder_ends_above_the_first_template(place: str, folder: str) -> None:
    assert fixed_folder(place) == folder


def test_a_folder_with_single_braces_is_no_template() -> None:
    assert not is_template("/photos/{day}")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("/photos/{{ ds }}", "/photos/{{ ds }}"),
        ("in//{{ ds }}", "BASE/in//{{ ds }}"),
        ("{{ var.value.photos }}/../in", "{{ var.value.photos }}/../in"),
        ("in/../out", "BASE/out"),
    ],
)
def test_a_template_is_left_as_it_is_written(tmp_path: Path, written: str, read: str) -> None:
    spec = load_spec(write_spec(tmp_path, written))

    assert spec.batch.input == read.replace("BASE", str(tmp_path.resolve()))


def test_a_run_may_name_any_folder_beside_a_dated_one(tmp_path: Path) -> None:
    assert input_roots(load_spec(write_spec(tmp_path, "/photos/{{ ds }}")), {}) == ("/photos",)


def test_a_template_that_is_cut_off_is_refused_when_the_spec_is_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"`batch\.input`: its template is wrong: .*; found"):
        load_spec(write_spec(tmp_path, "/photos/{{ ds"))
