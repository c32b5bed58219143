"""The parameters of pictures as the pages show them, with the names that the spec has for values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from tendies_ops.spec.parameters import ExtraInput

_LONGEST_VALUE = 80
Inputs = Mapping[str, ExtraInput]


@dataclass(frozen=True)
class ParameterFilter:
    """One value by which a gallery can be filtered."""

    text: str  #: ``name=JSON``, as addresses have it
    name: str
    words: str
    number: int  #: of pictures


def value_words(name: str, value: Any, inputs: Inputs) -> str:
    """Return ``monet (9)`` of a value that has a name in the spec, else the value."""
    plain = value if isinstance(value, str) else orjson.dumps(value).decode().removesuffix(".0")
    short = plain if len(plain) <= _LONGEST_VALUE else f"{plain[:_LONGEST_VALUE]}..."
    choices = inputs[name].choices if name in inputs else {}
    label = next((label for label, meant in choices.items() if meant == value), "")
    return f"{label} ({short})" if label and label != short else short


def record_words(record: Mapping[str, Any], inputs: Inputs) -> str:
    """Return ``style monet (9), strength 0.6`` of a line of the ledger; empty for a model without parameters."""
    values = record.get("parameters") or {}
    return ", ".join(f"{name} {value_words(name, value, inputs)}" for name, value in values.items())


def parameter_filters(counts: Sequence[tuple[str, int]] | None, inputs: Inputs) -> list[ParameterFilter]:
    """Return the values of the parameters that differ between pictures."""
    found = [_filter(text, number, inputs) for text, number in counts or ()]
    names = [one.name for one in found]
    return [one for one in found if names.count(one.name) > 1]


def common_words(counts: Sequence[tuple[str, int]] | None, inputs: Inputs) -> str:
    """Return the parameters that all pictures of a run have in common, and how many values the others have."""
    by_name: dict[str, list[ParameterFilter]] = {}
    for text, number in counts or ():
        one = _filter(text, number, inputs)
        by_name.setdefault(one.name, []).append(one)
    return ", ".join(
        f"{name} {values[0].words if len(values) == 1 else f'with {len(values)} values'}"
        for name, values in by_name.items()
    )


def own_parameters(given: Mapping[str, Any] | None, of_batches: Iterable[Any], inputs: Inputs) -> str:
    """
    Return the parameters of a run that no batch of the spec has; empty if another run would have the same.

    :param given: for all pictures of the run; None: its report does not say.
    :param of_batches: those of each batch: values by name, or one template for all.
    """
    of_spec = (
        _values(batch, inputs) for batch in of_batches if isinstance(batch, Mapping)
    )  # not a template of them all
    if given is None or _values(given, inputs) in of_spec:
        return ""
    return record_words({"parameters": _values(given, inputs)}, inputs) or "none"


def _values(given: Mapping[str, Any], inputs: Inputs) -> dict[str, Any]:
    choices = {name: inputs[name].choices if name in inputs else {} for name in given}
    return {name: choices[name].get(str(value), value) for name, value in given.items()}


def _filter(text: str, number: int, inputs: Inputs) -> ParameterFilter:
    name, _, value = text.partition("=")
    try:
        words = value_words(name, orjson.loads(value), inputs)
    except orjson.JSONDecodeError:  # a name with an equals sign: no model has one
        words = value
    return ParameterFilter(text, name, words, number)
