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
