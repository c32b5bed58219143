"""The arguments of a trigger, as Airflow keeps them in its database."""

from __future__ import annotations

import inspect
from typing import Any


class SerializedByArguments:
    """Mixin of triggers whose arguments are attributes of the same names."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the import path of the trigger and its arguments, from which a triggerer makes it again."""
        kind = type(self)
        names = inspect.signature(kind).parameters
        return f"{kind.__module__}.{kind.__qualname__}", {name: getattr(self, name) for name in names}
