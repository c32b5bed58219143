"""The table of promises on the page is the one that is tested."""

from __future__ import annotations

from tests.faults.page import PAGE, page_with_table


def test_the_page_shows_the_matrix_as_it_is_tested() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page_with_table(text) == text, "python -m tests.faults.page"
