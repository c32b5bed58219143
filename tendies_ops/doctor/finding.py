from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: ``problem``: a release or a batch fails, or would be wrong. ``warning``: it works today.
Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    level: Level
    about: str  #: such as a server's URL or a path
    found: str
    remedy: str = ""  #: what to do; empty where nothing has to be done


def problem(about: object, found: str, remedy: str) -> Finding:
    """Make a finding that has to be fixed."""
    return Finding("problem", str(about), found, remedy)


def warning(about: object, found: str, remedy: str) -> Finding:
    """Make a finding that should be fixed."""
    return Finding("warning", str(about), found, remedy)


def ok(about: object, found: str) -> Finding:
    """Make a finding that is as it should be."""
    return Finding("ok", str(about), found)
