"""
The table of ``docs/explanation/faults.md``, made from ``matrix.txt``.

    python -m tests.faults.page        writes it into the page
"""

from __future__ import annotations

from pathlib import Path

from tests.faults.matrix import outcomes, read_matrix

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "faults.md"
_BEGIN, _END = "<!-- made by `python -m tests.faults.page` -->\n", "<!-- end -->\n"
_OPERATIONS = ("export", "publish", "release", "rollback", "retention", "batch", "resume", "report")


def table() -> str:
    """A row a fault, a column an operation, then what the words mean and the notes."""
    rows = read_matrix()
    cells = {(row.fault, row.operation): row for row in rows}
    faults = list(dict.fromkeys(row.fault for row in rows))
    lines = [f"| | {' | '.join(_OPERATIONS)} |", f"|---|{'---|' * len(_OPERATIONS)}"]
    for fault in faults:
        found = (cells.get((fault, operation)) for operation in _OPERATIONS)
        lines.append(f"| {fault} | {' | '.join(row.outcome if row else '' for row in found)} |")
    lines += ["", "| | |", "|---|---|", *(f"| {word} | {meaning} |" for word, meaning in outcomes().items()), ""]
    lines += [f"* {row.fault}, {row.operation}: {row.note}" for row in rows if row.note and row.note != "the same"]
    return "\n".join(lines) + "\n"


def page_with_table(page: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table()}\n{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
