"""The reference page of the spec has every key, and no key that is gone."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from tendies_ops.spec import DagSettings, ModelSpec

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "spec.md"


#: Sections of which the page says that they have the keys of another.
_SAME = {
    "contract.outputs",
    "contract.extra_inputs.picture",
    "contract.extra_inputs.network",
    "batches",
    "airflow.release",
    "airflow.rollback",
}
_SAME |= {f"airflow.notify.on_{event}" for event in ("failure", "success", "retry", "approval")}


def keys_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        if prefix == "batch.airflow." and name in DagSettings.model_fields:
            continue  # as in airflow, says the page
        key = f"{prefix}{name}"
        found.add(key)
        parts = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        if nested and key not in _SAME:
            found |= keys_of(nested[0], f"{key}.")
    return found


def test_the_page_has_every_key_and_no_other() -> None:
    on_page = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert on_page == keys_of(ModelSpec)
    assert len(on_page) > 80
