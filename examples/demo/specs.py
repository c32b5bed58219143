"""The examples' model specs, with the folders of the demo."""

from __future__ import annotations

from pathlib import Path

import yaml

from tendies_ops.spec import INDEX_NAME, ModelSpec, load_indexed_specs

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLE_SPECS = CHECKOUT / "examples" / "models"


def read_example_specs() -> list[ModelSpec]:
    """Return the specs that ``examples/models/index.txt`` names, with absolute paths."""
    return load_indexed_specs(EXAMPLE_SPECS)


def add_spec(folder: Path, spec: ModelSpec) -> None:
    """
    Write the spec of an example into a working folder and name it in the index; one that is there remains unchanged.

    It names no server: its model is served by that of ``tendies dev``. It has no schedule, whose last run would be made
    up for at once, before the release.
    """
    path = folder / "specs" / f"{spec.model_name}.yaml"
    if path.exists():
        return
    data = spec.model_dump(mode="json", exclude_unset=True)
    data.pop("release", None)
    data.get("airflow", {}).pop("batch_cron", None)
    data.setdefault("batch", {}).update(
        input=str(folder / "pictures" / spec.model_name),
        output=str(folder / "results" / spec.model_name),
    )
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    with (path.parent / INDEX_NAME).open("a", encoding="utf-8") as index:
        index.write(f"{path.name}\n")
