"""The error of a run without a value that a template in the spec uses, such as ``ds`` without a logical date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import StrictUndefined
from jinja2.utils import missing

from tendies_ops.errors import SpecError
from tendies_ops.spec.templates import variables_in


def undefined_in(model_name: str, templates: Mapping[str, str]) -> type[StrictUndefined]:
    """
    Return the class that Jinja uses for an undefined value; a template that uses it raises SpecError.

    :param templates: key of the spec -> its template; the error names the keys that use the value.
    """

    class UndefinedInSpec(StrictUndefined):
        __slots__ = ()

        def __init__(self, hint: str | None = None, obj: Any = missing, name: str | None = None, *_: Any) -> None:
            super().__init__(hint, obj, name, SpecError)  # type: ignore[arg-type]  # Jinja raises the class that it is given

        @property
        def _undefined_message(self) -> str:
            return describe_undefined(model_name, templates, str(self._undefined_name))

    return UndefinedInSpec


def describe_undefined(model_name: str, templates: Mapping[str, str], name: str) -> str:
    """Return one paragraph that names the keys which use ``name``, and the values that every run has."""
    using = [key for key, template in templates.items() if name in variables_in(template) or f".{name}" in template]
    if not using:
        return f"`{name}` is undefined in this run of {model_name}."
    keys = " and ".join(f"`{key}`" for key in using)
    return (
        f"{keys} in the spec of {model_name} {'uses' if len(using) == 1 else 'use'} `{name}`, which this run does not "
        f"have: {templates[using[0]]!r}. Only scheduled runs have a logical date, and so `ds` and `ts`. "
        "Use `{{ dag_run.run_after | ds }}`, which every run has, or give the value when triggering."
    )
