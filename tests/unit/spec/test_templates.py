"""Folders of a spec that Airflow renders for each run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tendies_ops.errors import SpecError
from tendies_ops.spec import ModelSpec, load_spec
from tendies_ops.spec.roots import input_roots
from tendies_ops.spec.templates import fixed_folder, is_template


def write_spec(folder: Path, place: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(
        "model_name: m\nsource: {checkpoint: c.keras}\nairflow: {batch_cron: '@daily'}\n"
        f"batch:\n  input: '{place}'\n"
    )
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


def test_a_run_may_name_any_folder_next_to_a_dated_one(tmp_path: Path) -> None:
    assert input_roots(load_spec(write_spec(tmp_path, "/photos/{{ ds }}")).batch, environment={}) == ("/photos",)


def test_a_template_that_is_cut_off_is_refused_when_the_spec_is_read(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"`batch\.input`: its template is wrong: .*; found"):
        load_spec(write_spec(tmp_path, "/photos/{{ ds"))


def spec_with(**batch: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, "batch": batch})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/x/{{ dss }}", "its template uses `dss`, which no run has; did you mean `ds`?"),
        ("/x/{{ customer }}", "`params`, `var`, `conn` and `dag_run` lead to more"),
        ("/x/{{ dag_run.run_after | dss }}", "No filter named 'dss'"),
    ],
)
def test_a_name_that_no_run_has_is_refused_when_the_spec_is_read(text: str, words: str) -> None:
    for key in ("input", "version", "include", "sample"):
        with pytest.raises(ValidationError, match=re.escape(words)):
            spec_with(**{key: [text] if key == "include" else text})


@pytest.mark.parametrize("text", ["/x/{{ ds }}", "{% if logical_date %}a{% endif %}", "{{ data_interval_end | ds }}"])
def test_a_date_of_scheduled_runs_is_refused_if_there_is_no_schedule(text: str) -> None:
    with pytest.raises(ValidationError, match=r"`batch\.input` uses `\w+`, which only scheduled runs have, .* no cron"):
        spec_with(input=text)
    with pytest.raises(ValidationError, match=r"`batch\.include` uses"):
        spec_with(include=["*.png", f"{text}*"])
    spec_with(input=text, airflow={"cron": "@daily"})


@pytest.mark.parametrize(
    "text",
    [
        "/x/{{ dag_run.run_after | ds }}",
        "{{ ds if ds is defined else dag_run.run_after | ds }}",
        "{{ ds | default('today') }}",
        "{% for day in range(3) %}{{ day }}{% endfor %}",
        "{{ var.value.photos }}/{{ params.customer }}/{{ partition_key or run_id }}",
    ],
)
def test_what_every_run_has_needs_no_schedule(text: str) -> None:
    assert spec_with(input=text).batch.input == text


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("source", "checkpoint"),
        ("source", "graph"),
        ("release", "model_base_path"),
        ("release", "servers"),
        ("airflow", "watch_dir"),
        ("batch", "allowed_inputs"),
        ("batch", "servers"),
    ],
)
def test_a_template_in_a_key_that_is_not_rendered_is_refused_instead_of_taken_literally(section: str, key: str) -> None:
    text = "/x/{{ var.value.x }}"
    value = [text] if key in ("servers", "allowed_inputs") else text
    parts = {
        "source": {"checkpoint": "c"},
        section: {"checkpoint": "c", key: value} if section == "source" else {key: value},
    }

    with pytest.raises(ValidationError, match="templates are rendered in the settings of a batch only"):
        ModelSpec.model_validate({"model_name": "m", **parts})


@pytest.mark.parametrize(
    ("place", "roots"),
    [
        ("/data/{{ params.customer }}", ("/data",)),
        ("{{ params.place }}", ()),
        ("/{{ params.place }}/in", ()),
        ("s3://{{ dag_run.conf.bucket }}/in", ()),
        ("{{ run_id }}", ()),
        ("{{ var.value.photos }}/{{ params.customer }}", ()),
        ("{{ var.value.photos }}/in", ("{{ var.value.photos }}/in",)),
    ],
)
def test_a_folder_that_begins_with_the_choice_of_a_run_allows_nothing(place: str, roots: tuple[str, ...]) -> None:
    assert input_roots(spec_with(input=place).batch, environment={}) == roots
