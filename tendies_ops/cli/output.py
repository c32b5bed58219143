"""Output of every command: JSON on stdout for machines, text for people, errors as one paragraph on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from tendies_ops.errors import TendiesError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_WRONG_USAGE = 2
EXIT_SOME_PICTURES_FAILED = 3  # 4: ReviewNeededError

# Without emoji: a path with ":art:" in it is printed unchanged, and the table of emoji is not imported.
console = Console(highlight=False, soft_wrap=True, emoji=False)
error_console = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def fail(error: TendiesError, *, as_json: bool) -> int:
    """Print what went wrong and return the exit status."""
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error), "retryable": error.retryable}})
    error_console.print("[bold red]Error:[/bold red]", end=" ")
    error_console.print(str(error), markup=False)
    return error.exit_status
