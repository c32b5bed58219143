"""How every command speaks: JSON on stdout for machines, words for people, errors as one paragraph on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

from tendies_ops.errors import OutOfMemoryError, TendiesError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_WRONG_USAGE = 2
EXIT_SOME_PICTURES_FAILED = 3

console = Console(highlight=False, soft_wrap=True)
error_console = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def fail(error: TendiesError, *, as_json: bool) -> int:
    """Say what went wrong and return the exit status."""
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": str(error), "retryable": error.retryable}})
    if isinstance(error, OutOfMemoryError):
        sys.stderr.write(f"Error: {error}\n")  # rich imports more when it prints
        return error.exit_status
    error_console.print("[bold red]Error:[/bold red]", end=" ")
    error_console.print(str(error), markup=False)
    return error.exit_status
