"""The documentation as a site, as ``make docs`` builds it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.doc_blocks import PAGES, REPOSITORY

_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]+\.md)")


def test_the_site_is_built_without_a_warning() -> None:
    pytest.importorskip("mkdocstrings")
    built = subprocess.run(
        [sys.executable, "tools/build_docs.py"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert built.returncode == 0, built.stdout + built.stderr
    assert "WARNING" not in built.stderr
    assert (REPOSITORY / ".docs" / "site" / "docs" / "reference" / "api" / "index.html").is_file()


def test_every_page_is_reachable_in_two_clicks() -> None:
    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    on_the_map = {REPOSITORY / name for name in re.findall(r": (\S+\.md)$", text, re.MULTILINE)}
    linked = {
        (page.parent / name).resolve()
        for page in on_the_map
        if page.exists()
        for name in _LINK.findall(page.read_text(encoding="utf-8"))
    }

    assert {str(page.relative_to(REPOSITORY)) for page in set(PAGES) - on_the_map - linked} == set()
