"""The spec of a partitioned batch: folders with the key, and nothing else that says when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tendies_ops.errors import SpecError
from tendies_ops.spec import load_spec

GOOD: dict[str, Any] = {
    "input": "/in/{{ partition_key }}",
    "output": "/out/{{ partition_key }}",
    "partitions": {"every": "day", "start": "2026-06-01"},
}


def load(tmp_path: Path, **batch: Any) -> Any:
    path = tmp_path / "m.yaml"
    path.write_text(yaml.safe_dump({"model_name": "m", "source": {"checkpoint": "c"}, "batch": {**GOOD, **batch}}))
    return load_spec(path)


def test_a_spec_with_partitions_is_read_with_its_folders_as_written(tmp_path: Path) -> None:
    assert (
        load(tmp_path, input="photos/{{ partition_key[:4] }}").batch.input
        == f"{tmp_path}/photos/{{{{ partition_key[:4] }}}}"
    )


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"output": "/out"}, r"`batch.output` must have `{{ partition_key }}` in it"),
        ({"output": None}, r"`batch.output` must have"),
        ({"input": "/in/{{ partition_key }}/{{ run_id }}"}, r"`batch.input` may use no other name .* found `run_id`"),
        ({"airflow": {"cron": "@daily"}}, r"`cron` of its DAG as well: remove `cron`, or set it to null"),
        ({"airflow": {"watch_input": True}}, r"remove `watch_input`, or set it to false"),
        ({"partitions": {"keys": ["a"], "on_release": "newest 0"}}, r"must be `nothing`, `all`, or `newest N`"),
    ],
)
def test_settings_that_contradict_partitions_are_named_with_the_remedy(
    tmp_path: Path, batch: dict[str, Any], words: str
) -> None:
    with pytest.raises(SpecError, match=words):
        load(tmp_path, **batch)
