"""Specs with a partitioned batch, for tests of partitions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tendies_ops.partitions.keys import Partitions, partitions_of
from tendies_ops.spec import ModelSpec

_LINE = {
    "input": "a.png", "input_digest": "sha256:a", "size_bytes": 1, "modified_ns": 1, "outcome": "done", "kind": None,
    "reason": None, "output": "a.png", "output_digest": "sha256:b", "model_name": "strokes", "version": 1,
    "model_digest": None, "options_digest": "sha256:c", "attempt": 1, "run_id": "r",
}  # fmt: skip


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


def make_partition(root: Path, key: str, *, version: int = 1, run_id: str = "r") -> None:
    """Write what a run that has done one picture leaves."""
    state = root / "out" / key / ".tendies"
    (state / "runs" / run_id).mkdir(parents=True)
    (state / "runs" / run_id / "report.json").write_text('{"ok": true}')
    (state / "ledger.jsonl").write_text(json.dumps({**_LINE, "version": version}) + "\n")
