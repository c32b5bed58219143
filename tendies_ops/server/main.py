"""``tendies-model-server``."""

from __future__ import annotations

import sys


def run(arguments: list[str]) -> int:
    """Not here yet."""
    raise NotImplementedError


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))
