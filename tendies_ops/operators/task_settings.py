"""Make arguments of an operator from the fields of a settings class."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tendies_ops.errors import UsageError
from tendies_ops.hooks.connection_arguments import is_blank
from tendies_ops.spec.problems import describe_problems

Init = TypeVar("Init", bound=Callable[..., None])


def takes_settings(model: type[BaseModel]) -> Callable[[Init], Init]:
    """
    Add a named argument to an operator's ``__init__`` for each field of ``model`` that it does not have itself.

    Airflow finds them in the signature, for ``default_args``, ``.partial()`` and templates. Each is an attribute; None:
    not given. Values without templates are checked at once, so that a DAG with a wrong value does not load.
    """

    def decorate(init: Init) -> Init:
        signature = inspect.signature(init)
        *own, rest = signature.parameters.values()
        names = [name for name in model.model_fields if name not in signature.parameters]
        added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in names]

        @functools.wraps(init)
        def initialize(self: Any, **arguments: Any) -> None:
            values = {name: arguments.pop(name, None) for name in names}
            init(self, **arguments)
            for name, value in values.items():
                setattr(self, name, value)
            fixed = {name: value for name, value in given_settings(self, model).items() if "{" not in str(value)}
            try:
                model.model_validate(fixed)
            except ValidationError as error:
                raise UsageError(f"Task {self.task_id}: {describe_problems(error, model)}.") from None

        initialize.__signature__ = signature.replace(parameters=[*own, *added, rest])  # type: ignore[attr-defined]
        return initialize  # type: ignore[return-value]  # the same but for its signature

    return decorate


def given_settings(operator: object, model: type[BaseModel]) -> dict[str, Any]:
    """Return the settings that an operator was given, without those whose templates rendered to nothing."""
    values = {name: getattr(operator, name, None) for name in model.model_fields}
    return {name: value for name, value in values.items() if not is_blank(value)}
