"""Lines for people: one a step, with the seconds since the start."""

from __future__ import annotations

import time

from rich.console import Console


class Voice:
    """Progress lines on stdout."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def step(self, text: str, *, style: str = "") -> None:
        """Print one step, with its time."""
        self._console.print(f"{self.elapsed_s:7.1f} s  ", end="", style="dim")
        self._console.print(text, style=style, markup=False)

    def line(self, text: str = "", *, style: str = "") -> None:
        """Print anything else."""
        self._console.print(text, style=style, markup=False)
