"""Links from tasks to what they made."""

from __future__ import annotations
