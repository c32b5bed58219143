"""What templated arguments mean once they are rendered: text, where people think of lists and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tendies_ops.errors import UsageError

T = TypeVar("T")


def split_list(value: Sequence[str] | str | None) -> tuple[str, ...]:
    """A list, or a string with commas (what a template renders to), as a tuple without empty parts."""
    if not value:
        return ()
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part and part.strip())


def optional(value: Any, convert: Callable[[Any], T]) -> T | None:
    """A templated argument as a number: an empty text and ``None`` as text, which templates render to, are None."""
    if value is None or (isinstance(value, str) and value.strip() in ("", "None", "null", "latest")):
        return None
    try:
        return convert(value)
    except (TypeError, ValueError):
        raise UsageError(f"{value!r} is not {'a whole number' if convert is int else 'a number'}.") from None
