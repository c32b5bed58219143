"""Model specs for tests that need DAGs and no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


def write_specs(directory: Path, *specs: Mapping[str, Any]) -> Path:
    """Write specs and their index into ``directory``; each needs ``model_name``. Return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    names = []
    for spec in specs:
        name = f"{spec['model_name']}.yaml"
        (directory / name).write_text(yaml.safe_dump({"source": {"checkpoint": "checkpoint"}, **spec}))
        names.append(name)
    (directory / "index.txt").write_text("# the models of this test\n" + "\n".join(names) + "\n")
    return directory


def add_spec(directory: Path, spec: Mapping[str, Any]) -> None:
    """Add a spec to those that :func:`write_specs` has written."""
    (directory / f"{spec['model_name']}.yaml").write_text(yaml.safe_dump(dict(spec)))
    with (directory / "index.txt").open("a") as index:
        index.write(f"{spec['model_name']}.yaml\n")
