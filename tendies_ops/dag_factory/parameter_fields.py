"""The fields of a batch's form for what a model takes besides the picture, such as a style and its strength."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param

from tendies_ops.spec import BatchSpec
from tendies_ops.spec.parameter_schema import field_name, schema_of
from tendies_ops.spec.parameters import ExtraInput
from tendies_ops.spec.templates import is_template


def parameter_fields(inputs: Mapping[str, ExtraInput], batch: BatchSpec) -> dict[str, Param]:
    """
    Return a field for each input of a model: a select, a number within bounds, or text.

    It holds the value that the spec's batch fixes. Empty, the rules, tables and defaults of the batch apply.
    """
    of_spec: Any = batch.parameters  # or one template for all of them
    if not isinstance(of_spec, Mapping):
        return {}
    return {field_name(name): _field(name, one, of_spec.get(name)) for name, one in inputs.items()}


def parameter_texts(inputs: Mapping[str, ExtraInput], batch: BatchSpec) -> list[str] | None:
    """
    Return the templates of the batch's ``parameters``, each of ``NAME=VALUE``, ``{NAME: VALUE}`` or ``{}``.

    The form's value goes before the spec's.

    :return: None if the form has no such fields.
    """
    of_spec: Any = batch.parameters
    if not inputs or not isinstance(of_spec, Mapping):
        return None
    others = [_constant(name, value) for name, value in of_spec.items() if name not in inputs]
    return [*others, *(_given_or(name, one, of_spec.get(name)) for name, one in inputs.items())]


def _given_or(name: str, one: ExtraInput, of_spec: Any) -> str:
    given = f"params[{json.dumps(field_name(name))}]"
    # A user types 0.3 or [0.2, 0.8] into a text field; a choice may be called "no" or "9".
    text = f'{{"{name}": {{{{ {given} | tojson }}}} }}'
    if not (one.choices or one.picture):
        text = f"{{% if {given} is string %}}{name}={{{{ {given} }}}}{{% else %}}{text}{{% endif %}}"
    constant = "{}" if of_spec is None else _constant(name, of_spec)
    is_given = f"{given} is defined and {given} is not none and {given} != ''"
    return f"{{% if {is_given} %}}{text}{{% else %}}{constant}{{% endif %}}"


def _constant(name: str, value: Any) -> str:
    return f"{name}={value}" if isinstance(value, str) and is_template(value) else json.dumps({name: value})


def _field(name: str, one: ExtraInput, of_spec: Any) -> Param:
    schema = schema_of(one)
    value = _shown(one, schema, of_spec)
    empty = "" if value is not None else _empty_means(one, of_spec)
    words = " ".join(part for part in (_sentence(one.description), _choices_as_text(one, schema), empty) if part)
    return Param(value, title=name, description=words, **schema)


def _shown(one: ExtraInput, schema: Mapping[str, Any], of_spec: Any) -> Any:
    """Return the spec's value as the field holds it; None if it cannot, for the run to judge it."""
    if of_spec is None or (isinstance(of_spec, str) and is_template(of_spec)):
        return None
    of_text = "string" in schema["type"]
    value = of_spec if of_text and one.choices else one.choices.get(str(of_spec), of_spec)
    if of_text and one.choices and one.picture is None:
        value = next((label for label, meant in one.choices.items() if of_spec in (label, meant)), None)
    elif of_text:
        value = of_spec if isinstance(of_spec, str) else json.dumps(of_spec)
    fits = isinstance(value, str if of_text else int | float) and not isinstance(value, bool)
    low, high = schema.get("minimum", value), schema.get("maximum", value)
    return value if fits and value in schema.get("enum", [value]) and low <= value <= high else None


def _choices_as_text(one: ExtraInput, schema: Mapping[str, Any]) -> str:
    if not one.choices or "enum" in schema or "examples" in schema:
        return ""
    return f"Named values: {', '.join(f'{label} ({value})' for label, value in one.choices.items())}."


def _empty_means(one: ExtraInput, of_spec: Any) -> str:
    if of_spec is not None:
        return f"Empty: `{of_spec}`, of the spec."
    return "" if one.default is None else f"Empty: {json.dumps(one.default)}, unless the batch has a value."


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
