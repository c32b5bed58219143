"""Checkpoints that Keras 2 wrote with ``save_weights``, for a model that a builder makes with Keras 3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def keys_by_layers(
    model: Any, variables: Mapping[str, Any], shapes: Mapping[str, list[int]], prefix: str = ""
) -> dict[str, str]:
    """
    Match layers with weights by their order, as Keras 2 numbers them, and their variables by name and shape.

    :param variables: object path -> variable of ``model``, as Keras 3 names them.
    :param shapes: of everything in the checkpoint.
    :return: object path -> key in the checkpoint; empty if not all match.
    """
    paths = {id(variable): path for path, variable in variables.items()}
    found = {}
    for variable, key in _expected(model, prefix):
        if shapes.get(key) != list(variable.shape) or id(variable) not in paths:
            return {}
        found[paths[id(variable)]] = key
    return found if len(found) == len(variables) else {}


def _expected(model: Any, prefix: str) -> Iterator[tuple[Any, str]]:
    """Yield each variable of a Keras model and the name that Keras 2 gives it."""
    number = 0
    for layer in getattr(model, "layers", ()):
        if not layer.weights:
            continue
        place = f"{prefix}layer_with_weights-{number}/"
        number += 1
        if getattr(layer, "layers", None):
            yield from _expected(layer, place)
        else:
            yield from ((variable, f"{place}{_name_of(variable)}{_VALUE}") for variable in layer.weights)


def _name_of(variable: Any) -> str:
    return str(variable.name).rpartition("/")[2].partition(":")[0]
