"""Values for the inputs that a model takes besides the picture, such as a style and its strength."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, JsonValue, PositiveInt, model_validator

from tendies_ops.errors import UsageError
from tendies_ops.spec.input_contract import InputContract
from tendies_ops.spec.source import SourceSpec
from tendies_ops.spec.strict_model import SpecPart


def _to_mapping(value: Any) -> Any:
    """Read ``style=9`` texts, as a command line and a form give them, or texts of YAML mappings."""
    if isinstance(value, str):
        document = yaml.safe_load(value) if value.strip() else {}
        value = value.split(",") if isinstance(document, str) else document
    if not isinstance(value, list | tuple):
        return value
    found: dict[str, Any] = {}
    for text in value:
        found |= _read_text(str(text))
    return found


def _read_text(text: str) -> dict[str, Any]:
    document = yaml.safe_load(text)
    if isinstance(document, dict):
        return document
    name, sign, value = text.partition("=")
    if not (name.strip() and sign):
        raise ValueError("must be NAME=VALUE, such as style=9")
    return {name.strip(): yaml.safe_load(value)}


Values = Annotated[dict[str, JsonValue], BeforeValidator(_to_mapping)]
Rules = Annotated[dict[str, Values], BeforeValidator(_to_mapping)]

#: Where a version keeps the pictures of choices, a folder for each input.
CHOICES_DIRECTORY = "assets.extra/tendies_choices"


class ExtraInput(SpecPart):
    """An input of the network besides the picture that each request sets, such as a style."""

    tensor: str = Field(description="name of the tensor in the graph, or of the builder's argument")
    one_hot: PositiveInt | None = Field(
        None, description="the request sends a class number; the network gets that many numbers, one of them 1"
    )
    picture: InputContract | None = Field(
        None, description="it is a second picture, such as a style: how its file becomes the tensor; needs `size`"
    )
    network: SourceSpec | None = Field(
        None, description="a second network that turns that picture into the tensor; joined with the first at export"
    )
    description: str = Field("", description="what it does to the picture, for those who choose a value")
    default: JsonValue = Field(None, description="value where none is given; absent: a batch must give one")
    minimum: float | None = Field(None, description="least value of each of its numbers")
    maximum: float | None = Field(None, description="largest value of each of its numbers")
    choices: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="names for values, such as `monet: 9`; of a `picture`, for files, which go into every version",
    )

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> ExtraInput:
        if self.picture is None:
            if self.network is not None:
                raise ValueError("network needs `picture`, the contract of the picture that it is given")
            return self
        given = [name for name in ("one_hot", "minimum", "maximum") if getattr(self, name) is not None]
        if given:
            raise ValueError(f"a picture has no {given[0]}")
        if self.picture.size is None:
            raise ValueError("picture needs `size`, so that pictures of several requests fit into one batch")
        return self

    @model_validator(mode="after")
    def _default_is_allowed(self) -> ExtraInput:
        if self.default is not None:
            try:
                object.__setattr__(self, "default", read_value("default", self.default, self))
            except UsageError as error:
                raise ValueError(str(error)) from None
        return self


def read_values(inputs: Mapping[str, ExtraInput], given: Mapping[str, Any]) -> dict[str, JsonValue]:
    """
    Complete values with the defaults.

    :param inputs: what the model takes.
    :return: a value for each of them, as JSON, for one row of a request.
    :raises UsageError: a name is unknown, a value is not allowed, or one is missing.
    """
    for name in given:
        if name not in inputs:
            nearest = difflib.get_close_matches(name, inputs, n=1)
            hint = f" Did you mean {nearest[0]}?" if nearest else f" It takes {', '.join(inputs) or 'none'}."
            raise UsageError(f"The model takes no parameter {name}.{hint}")
    values = {name: given.get(name, one.default) for name, one in inputs.items()}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        what = "; ".join(f"{name}{_explained(inputs[name])}" for name in missing)
        raise UsageError(
            f"The model takes parameters besides the picture. Give values in `parameters` (--param NAME=VALUE): {what}."
        )
    return {name: read_value(name, value, inputs[name]) for name, value in values.items()}


def read_value(name: str, value: Any, one: ExtraInput) -> JsonValue:
    """
    Turn a name of a choice into its value, and check numbers against the bounds.

    :raises UsageError: it is not allowed.
    """
    if isinstance(value, str) and value in one.choices:
        return one.choices[value]
    if one.picture is not None:
        return value if value in one.choices.values() else _read_path(name, value)
    low, high = (0, one.one_hot - 1) if one.one_hot else (one.minimum, one.maximum)
    named_only = bool(one.choices) and (isinstance(value, str) or (low is None and high is None))
    if named_only and value not in one.choices.values():
        raise UsageError(f"`{name}` takes {', '.join(one.choices)}; found {value}.")
    for number in _numbers(value):
        if (low is not None and not number >= low) or (high is not None and not number <= high):  # NaN is neither
            raise UsageError(f"`{name}` takes values{_between(low, high)}; found {value}.")
    if one.one_hot and not (isinstance(value, int) and not isinstance(value, bool)):
        raise UsageError(f"`{name}` takes a whole number{_between(low, high)}; found {value}.")
    checked: JsonValue = value
    return checked


def _read_path(name: str, value: Any) -> str:
    """Return the path of a picture, which is below a folder that others choose."""
    parts = value.split("/") if isinstance(value, str) else []
    if not value or not parts or any(part in {"", ".", ".."} for part in parts) or "\0" in value or "\\" in value:
        raise UsageError(
            f"`{name}` takes the path of a picture below the input folder, such as .styles/monet.jpg; found {value!r}."
        )
    return str(value)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _numbers(inner)
    else:
        yield value if isinstance(value, int | float) else math.nan  # which no bounds allow


def _between(low: float | None, high: float | None) -> str:
    least = f" from {low:g}" if low is not None else ""
    return least + (f" up to {high:g}" if high is not None else "")


def _explained(one: ExtraInput) -> str:
    if one.choices:
        return f" ({', '.join(one.choices)})"
    if one.picture is not None:
        return " (path of a picture)"
    high = one.one_hot - 1 if one.one_hot else one.maximum
    allowed = _between(0 if one.one_hot else one.minimum, high).strip()
    words = ", ".join(part for part in (one.description, allowed) if part)
    return f" ({words})" if words else ""
