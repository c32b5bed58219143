"""The log of one release: each step is reported as it is taken, and notes also go into the report."""

from __future__ import annotations

from collections.abc import Callable


class ReleaseLog:
    """
    Report steps and notes, and keep the notes.

    :param on_step: gets one sentence for each; None: no one reads them.
    """

    def __init__(self, on_step: Callable[[str], None] | None = None) -> None:
        self._on_step = on_step
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes so far, oldest first."""
        return tuple(self._notes)

    def say(self, sentence: str) -> None:
        """Report a step."""
        if self._on_step is not None:
            self._on_step(sentence)

    def note(self, sentence: str) -> None:
        """Report a fact and keep it for the report."""
        self._notes.append(sentence)
        self.say(sentence)
