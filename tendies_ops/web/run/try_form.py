"""The fields of the form that tries a model: what a version takes besides the picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from tendies_ops.errors import UsageError
from tendies_ops.spec.parameter_schema import field_name, schema_of
from tendies_ops.spec.parameters import ExtraInput, read_values
from tendies_ops.web.run.parameter_words import Inputs
from tendies_ops.web.run.try_picture import TryError
from tendies_ops.web.views.models_view import ModelPicture


def tried_inputs(view: ModelPicture, version: int | None) -> Inputs:
    """Return what a version takes besides the picture: by its manifest, else by the spec."""
    row = view.row(version) if version is not None else None
    return row.manifest.contract.extra_inputs if row and row.manifest else view.model.inputs


def read_parameters(inputs: Inputs, fields: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the values of a form; an empty field is left to the default.

    :raises TryError: a value is not allowed, or one is missing.
    """
    given = {name: fields.get(field_name(name), "").strip() for name in inputs}
    try:
        values = {name: _typed(inputs[name], text) for name, text in given.items() if text}
        read_values(inputs, values)
    except UsageError as error:
        raise TryError(str(error)) from error
    except yaml.YAMLError as error:
        raise TryError("A value cannot be read. Write a number, a word, or a list such as [0.2, 0.8].") from error
    return values


def _typed(one: ExtraInput, text: str) -> Any:
    return text if text in one.choices or one.picture is not None else yaml.safe_load(text)


def shown_value(name: str, one: ExtraInput, given: Mapping[str, Any]) -> str:
    """Return what a field holds: what the last try was given, else the default."""
    value = given.get(name, one.default)
    if value is None:
        return ""
    schema = schema_of(one)
    label = next((label for label, meant in one.choices.items() if value in (label, meant)), None)
    if label is not None and label in (*schema.get("enum", ()), *schema.get("examples", ())):
        return str(label)
    return value if isinstance(value, str) else json.dumps(value)
