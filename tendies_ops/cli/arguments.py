"""Commands with so many arguments that a class lists them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

Arguments = TypeVar("Arguments")


def takes(arguments: type[Arguments]) -> Callable[[Callable[[Arguments], int]], Callable[..., int]]:
    """
    Make a command of a function that takes one object: typer sees a parameter for each field of its class.

    :param arguments: a dataclass whose fields are annotated as typer's parameters are.
    """
    hints = get_type_hints(arguments, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[field.name], default=_default(field)
        )
        for field in dataclasses.fields(arguments)  # type: ignore[arg-type]  # there is no type for "any dataclass"
    ]

    def decorate(command: Callable[[Arguments], int]) -> Callable[..., int]:
        def run(**values: Any) -> int:
            return command(arguments(**values))

        run.__doc__ = command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = hints
        return run

    return decorate


def _default(field: dataclasses.Field[Any]) -> Any:
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
