"""Reads ``matrix.txt``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PATH = Path(__file__).with_name("matrix.txt")


@dataclass(frozen=True)
class Row:
    fault: str
    operation: str
    outcome: str
    everyday: bool
    note: str

    def __str__(self) -> str:
        return f"{self.fault}, {self.operation}"


def read_matrix() -> list[Row]:
    """Every promise, in the file's order."""
    lines = PATH.read_text(encoding="utf-8").splitlines()
    cells = ([cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith("#"))
    return [Row(fault, operation, outcome, star == "*", note) for fault, operation, outcome, star, note in cells]


def outcomes() -> dict[str, str]:
    """Outcome -> what it means, from the comment at the head of the file."""
    head = [line[2:] for line in PATH.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    return {line[:13].strip(): line[13:].strip() for line in head[1:]}
