"""The examples' model specs, with the demo's own folders and servers filled in."""

from __future__ import annotations

from pathlib import Path

import yaml

from examples.demo.place import CHECKOUT, DemoPlace
from tendies_ops.spec import ModelSpec, load_spec

EXAMPLE_SPECS = CHECKOUT / "examples" / "models"
_INDEX_NAME = "index.txt"


def read_example_specs() -> list[ModelSpec]:
    """The specs that ``examples/models/index.txt`` names, with absolute paths."""
    lines = (EXAMPLE_SPECS / _INDEX_NAME).read_text(encoding="utf-8").splitlines()
    return [load_spec(EXAMPLE_SPECS / line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def write_demo_spec(place: DemoPlace, spec: ModelSpec, server_url: str) -> Path:
    """Write the spec that this demo's DAGs read for ``spec``'s model."""
    data = spec.model_dump(mode="json", exclude_unset=True)
    data.setdefault("release", {}).update(
        model_base_path=str(place.base_path(spec.model_name)),
        servers=[server_url],
    )
    data.setdefault("batch", {}).update(
        input=str(place.pictures(spec.model_name)),
        output=str(place.results(spec.model_name)),
    )
    path = place.specs / f"{spec.model_name}.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    with (place.specs / _INDEX_NAME).open("a", encoding="utf-8") as index:
        index.write(f"{path.name}\n")
    return path
