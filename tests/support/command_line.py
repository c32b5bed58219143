"""Commands in this process, which saves the half second that a program needs to start."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tendies_ops.cli.main import main


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


def run_command(*arguments: str | Path) -> Ended:
    """Run ``tendies`` with these arguments as its console script does."""
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["tendies", *map(str, arguments)]),
        mock.patch("gc.freeze"),  # it is for processes that end
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            return Ended(int(end.code or 0), out.getvalue(), err.getvalue())
    raise AssertionError("main() always exits")
