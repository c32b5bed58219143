"""Every promise on the page of what tendies trusts has a test that is there."""

from __future__ import annotations

import ast
import re

from tests.support.doc_blocks import REPOSITORY

PAGE = REPOSITORY / "docs" / "explanation" / "trust.md"
_ROW = re.compile(
    r"^\| (?P<attacker>[^|]+) \| (?P<asset>[^|]+) \| (?P<promise>[^|]+) \| (?P<tests>`tests/[^|]+) \|$", re.M
)


def promises() -> list[str]:
    """Return the tests that the rows of the table name."""
    rows = _ROW.findall(PAGE.read_text(encoding="utf-8"))
    return [test for *_, tests in rows for test in re.findall(r"`([^`]+)`", tests)]


def test_every_promise_names_a_test_that_is_there() -> None:
    missing = []
    for test in promises():
        path, _, name = test.partition("::")
        file = REPOSITORY / path
        tree = ast.parse(file.read_text(encoding="utf-8")) if file.is_file() else ast.Module([], [])
        if name not in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}:
            missing.append(test)
    assert missing == []


def test_every_row_of_the_table_of_promises_is_read() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Promises")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(_ROW.findall(table)) == len(rows) > 0
