"""
The tables of the reference pages that are made from the settings classes.

    .venv/bin/python -m tests.support.settings_tables

writes them again, between the marks ``<!-- settings: NAME -->`` and ``<!-- end of settings -->``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tendies_ops.cli.setting_options import default_text, flag
from tendies_ops.spec import (
    AirflowSpec,
    BatchDagSettings,
    BatchSettings,
    DagSettings,
    ReleaseSettings,
    ReleaseSpec,
    RetentionSpec,
)
from tendies_ops.spec.partitions_spec import PartitionsSpec

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
_TABLE = re.compile(r"(<!-- settings: (\S+) -->\n)(.*?)(<!-- end of settings -->)", re.DOTALL)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _of_spec(section: str, model: type[BaseModel], known: Collection[str] = ()) -> list[str]:
    return ["| key | default | meaning |", "|---|---|---|", *_keys(section, model, known)]


def _keys(section: str, model: type[BaseModel], known: Collection[str] = ()) -> Iterator[str]:
    """
    Yield a row for each key, and for those below it.

    :param known: keys that another table has.
    """
    for name, field in model.model_fields.items():
        if name in known:
            continue
        yield f"| `{section}.{name}` | {_default(field)} | {field.description} |"
        parts = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
        if (
            nested
            and not issubclass(nested[0], DagSettings)
            and getattr(field.annotation, "__origin__", None) is not tuple
        ):
            yield from _keys(f"{section}.{name}", nested[0])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "" if field.default_factory else _code(default_text(field))


def _everywhere(model: type[BaseModel]) -> list[str]:
    rows = [_row(name, field) for name, field in model.model_fields.items()]
    return ["| setting | option | default | meaning |", "|---|---|---|---|", *rows]


def _row(name: str, field: FieldInfo) -> str:
    extra = field.json_schema_extra
    mark = " ●" if isinstance(extra, dict) and extra.get("changes_output") else ""
    option = f"--no-{flag(name)[2:]}" if field.default is True and field.annotation is bool else flag(name)
    return f"| `{name}`{mark} | `{option}` | {_code(default_text(field))} | {field.description} |"


TABLES: dict[str, Callable[[], list[str]]] = {
    "airflow.spec": lambda: _of_spec("airflow", AirflowSpec),
    "batch.airflow.spec": lambda: _of_spec("batch.airflow", BatchDagSettings, DagSettings.model_fields),
    "retention.spec": lambda: _of_spec("retention", RetentionSpec),
    "partitions.spec": lambda: _of_spec("batch.partitions", PartitionsSpec),
    "batch.spec": lambda: _of_spec("batch", BatchSettings),
    "release.spec": lambda: _of_spec("release", ReleaseSpec),
    "release": lambda: _everywhere(ReleaseSettings),
    "batch": lambda: _everywhere(BatchSettings),
}


def with_tables(text: str) -> str:
    """Return a page's text with its tables as the settings classes say."""
    return _TABLE.sub(lambda found: "".join([found[1], "\n".join(TABLES[found[2]]()), "\n\n", found[4]]), text)


def pages() -> list[Path]:
    return [page for page in sorted(REFERENCE.glob("*.md")) if _TABLE.search(page.read_text(encoding="utf-8"))]


if __name__ == "__main__":
    for page in pages():
        page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
