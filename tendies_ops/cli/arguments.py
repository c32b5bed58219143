"""Commands whose arguments are the fields of a class."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, get_type_hints

from tendies_ops.cli.setting_options import given_settings

Arguments = TypeVar("Arguments")


def takes(
    arguments: type[Arguments], settings: Sequence[inspect.Parameter] = ()
) -> Callable[[Callable[[Arguments], int]], Callable[..., int]]:
    """
    Make a command of a function that takes one object: typer sees a parameter for each field of its class.

    :param arguments: a dataclass whose fields are annotated as typer's parameters are.
    :param settings: further options; those that were given go into the field ``given`` of the object.
    """
    hints = get_type_hints(arguments, include_extras=True)
    parameters = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[field.name], default=_default(field)
        )
        for field in dataclasses.fields(arguments)  # type: ignore[arg-type]  # there is no type for "any dataclass"
        if field.name != "given"
    ] + list(settings)

    def decorate(command: Callable[[Arguments], int]) -> Callable[..., int]:
        def read(**values: Any) -> Arguments:
            if settings:
                values["given"] = given_settings({one.name: values.pop(one.name) for one in settings})
            return arguments(**values)

        def run(**values: Any) -> int:
            return command(read(**values))

        run.read = read  # type: ignore[attr-defined]  # what the words of a command line mean, without doing it
        run.__doc__ = command.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def _default(field: dataclasses.Field[Any]) -> Any:
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
