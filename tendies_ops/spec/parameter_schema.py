"""The fields of a form that ask for the values of a model's extra inputs."""

from __future__ import annotations

from typing import Any

from tendies_ops.spec.parameters import ExtraInput

_MOST_LISTED = 200  # classes in a select; of more, the number is typed


def field_name(name: str) -> str:
    """Return the name of an input's field in the form of a batch, which no other field has."""
    return f"parameter_{name}"


def schema_of(one: ExtraInput) -> dict[str, Any]:
    """
    Return the JSON schema of the field: a select (``enum``), a number within bounds, or text in YAML. It may be empty.

    :return: with ``values_display``, Airflow's own key for the words of a select.
    """
    if one.picture is not None:  # a choice, or a path below the input
        return {"type": ["null", "string"], "examples": list(one.choices)}
    if one.one_hot and one.one_hot <= _MOST_LISTED:
        words = {str(value): f"{label} ({value})" for label, value in one.choices.items()}
        return {"type": ["null", "integer"], "enum": [None, *range(one.one_hot)], "values_display": words}
    if one.one_hot:
        return {"type": ["null", "integer"], "minimum": 0, "maximum": one.one_hot - 1}
    bounds = {"minimum": one.minimum, "maximum": one.maximum}
    bounds = {key: bound for key, bound in bounds.items() if bound is not None}
    if one.choices and not bounds:
        return {"type": ["null", "string"], "enum": [None, *one.choices]}
    if bounds and not isinstance(one.default, list):
        return {"type": ["null", "number"], **bounds}
    return {"type": ["null", "string", "number", "array", "boolean"]}
