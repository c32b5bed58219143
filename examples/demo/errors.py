"""What the demo ends with when it cannot go on."""

from __future__ import annotations


class DemoError(Exception):
    """One clear sentence: what is in the way, and what to do."""
