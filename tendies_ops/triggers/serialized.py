"""The arguments of a trigger, as Airflow keeps them in its database."""

from __future__ import annotations

import inspect
from typing import Any

from airflow.triggers.base import BaseTrigger


def serialize_arguments(trigger: BaseTrigger) -> tuple[str, dict[str, Any]]:
    """Return the import path of a trigger and its arguments, which are the attributes of the same names."""
    kind = type(trigger)
    names = [name for name in inspect.signature(kind).parameters if name != "self"]
    return f"{kind.__module__}.{kind.__qualname__}", {name: getattr(trigger, name) for name in names}
