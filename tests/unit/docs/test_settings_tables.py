"""The tables of settings in the reference are those of the settings classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.settings_tables import pages, with_tables


def test_the_pages_of_the_spec_of_batches_and_of_releases_have_such_tables() -> None:
    assert {"batch.md", "commands-release.md", "spec.md"} <= {page.name for page in pages()}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_a_table_of_settings_is_what_its_class_describes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert with_tables(text) == text, "run: .venv/bin/python -m tests.support.settings_tables"
