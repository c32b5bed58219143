"""The page that starts from what a user sees: each text on it is one that the code really says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PAGE = REPOSITORY / "docs" / "troubleshooting.md"
TEXTS = re.findall(r"^### `(.*)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
GAP = "\0"  #: where an f-string puts something in


def _texts_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def said() -> list[str]:
    """Every text in the package, with a gap for what is filled in."""
    return [text for path in sorted((REPOSITORY / "tendies_ops").rglob("*.py")) for text in _texts_of(path)]


def test_the_page_has_the_errors_of_every_step() -> None:
    assert len(TEXTS) >= 20


@pytest.mark.parametrize("text", TEXTS)
def test_each_text_of_the_page_is_said_by_the_code(text: str, said: list[str]) -> None:
    pieces = [re.escape(piece) for piece in text.strip("… ").split("…")]
    pattern = re.compile(".+".join(pieces), re.DOTALL)
    assert any(pattern.search(one) for one in said)


def test_a_text_that_no_one_says_would_be_found_out(said: list[str]) -> None:
    assert not any("the moon is in the wrong place" in one for one in said)
