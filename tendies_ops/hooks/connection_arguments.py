"""Read lists and numbers from templated arguments, which render to text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tendies_ops.errors import UsageError

T = TypeVar("T")


def split_list(value: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return a list, or a string with commas (as a template renders it), as a tuple without empty parts."""
    if not value:
        return ()
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part and part.strip())


def is_blank(value: Any) -> bool:
    """Return True for what a template without a value renders to."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "None", "null", "latest"))


def optional(value: Any, convert: Callable[[Any], T]) -> T | None:
    """Return a templated argument as a number; None for an empty text or ``None`` as text, as templates render it."""
    if is_blank(value):
        return None
    try:
        return convert(value)
    except (TypeError, ValueError):
        raise UsageError(f"{value!r} is not {'a whole number' if convert is int else 'a number'}.") from None
