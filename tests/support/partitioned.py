"""Specs with a partitioned batch, for tests of partitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tendies_ops.partitions.keys import Partitions, partitions_of
from tendies_ops.spec import ModelSpec


def partitioned_spec(
    root: Path | str, *, zone: str = "UTC", model_name: str = "strokes", **partitions: Any
) -> ModelSpec:
    """Return a spec whose pictures are in ``root/in/<key>`` and its results in ``root/out/<key>``."""
    batch = {
        "input": f"{root}/in/{{{{ partition_key }}}}",
        "output": f"{root}/out/{{{{ partition_key }}}}",
        "partitions": partitions,
        "airflow": {"timezone": zone},
    }
    return ModelSpec.model_validate({"model_name": model_name, "source": {"checkpoint": "c"}, "batch": batch})


def made_partitions(root: Path | str = "/data", **settings: Any) -> Partitions:
    found = partitions_of(partitioned_spec(root, **settings))
    assert found is not None
    return found
