"""The table of sources and outputs names tests and specs that exist, and every kind that a spec may name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from tendies_ops.spec import OutputContract, SourceSpec

REPOSITORY = Path(__file__).resolve().parents[3]
TESTS = REPOSITORY / "tests" / "with_tensorflow" / "export"
PAGE = (REPOSITORY / "docs" / "reference" / "sources-and-outputs.md").read_text(encoding="utf-8")
SOURCES, OUTPUTS = (re.split(r"^## (?:Sources|Outputs)$", PAGE, flags=re.MULTILINE))[1:3]
OUTPUTS = OUTPUTS.split("\n## ")[0]


def _kinds(model: type[BaseModel], field: str) -> set[str]:
    """What a Literal of the spec allows."""
    return {value for value in _flat(model.model_fields[field].annotation) if isinstance(value, str)}


def _flat(annotation: object) -> list[object]:
    return [leaf for part in get_args(annotation) for leaf in (_flat(part) or [part])]


def test_every_kind_of_source_has_a_row() -> None:
    assert _kinds(SourceSpec, "kind") == set(re.findall(r"^\| `(\w+)` \|", SOURCES, re.MULTILINE))


def test_every_kind_of_output_has_a_row() -> None:
    assert _kinds(OutputContract, "kind") == set(re.findall(r"^\| `(\w+)` \|", OUTPUTS, re.MULTILINE))


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+\.py)`", PAGE))))
def test_each_file_of_tests_that_the_page_names_is_there(name: str) -> None:
    assert (TESTS / name).is_file()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"real: (.*?) \|", SOURCES))))
def test_each_real_model_that_the_page_names_has_a_spec_and_a_test(name: str) -> None:
    code = (TESTS / "test_real_models.py").read_text(encoding="utf-8")
    for spec in re.findall(r"`(\w+\*?)`", name):
        assert list((TESTS / "specs").glob(f"{spec}.yaml"))
        assert spec.rstrip("*") in code
