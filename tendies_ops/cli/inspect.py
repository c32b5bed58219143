from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tendies_ops.cli.output import EXIT_DONE, console, print_json

if TYPE_CHECKING:
    from tendies_ops.model_files import ModelFile

_SHOWN = 6


def inspect_command(
    path: Annotated[Path, typer.Argument(help="A model: file, directory, or prefix of a checkpoint.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Show the format, inputs, outputs and weights of a model's file, and what an export would still need.

    Nothing of the model is run, and TensorFlow is not needed.

    Example: tendies inspect painter.keras
    """
    from tendies_ops.model_files import inspect_model

    found = inspect_model(path)
    if as_json:
        print_json(found.summary())
    else:
        for line in _lines(found):
            console.print(line, markup=False)
    return EXIT_DONE


def _lines(found: ModelFile) -> Iterator[str]:
    yield f"{found.path} is {found.format}."
    if found.kind is None:
        yield f"tendies does not export it. {found.advice}"
        return
    for title, tensors in (("picture", found.inputs), ("output", found.outputs)):
        for number, tensor in enumerate(tensors[:_SHOWN]):
            label = title if number == 0 else "or"
            yield f"  {label:<9} {tensor}" + (f"  ({tensor.why})" if tensor.why else "")
    for name, value in found.constants.items():
        yield f"  constant  {name}: {value}"
    for tensor in found.further_inputs:
        yield f"  input     {tensor}"
    for name, signature in found.signatures.items():
        ends = (", ".join(f"{key}" for key in side) for side in (signature.inputs, signature.outputs))
        yield f"  signature {name}: {' -> '.join(ends)}"
    if found.variables:
        yield f"{len(found.variables)} arrays of weights, {found.parameters:,} values:"
        largest = sorted(found.variables.items(), key=lambda item: -math.prod(side or 1 for side in item[1]))[:_SHOWN]
        yield from (f"  {name} {list(shape)}" for name, shape in largest)
    yield from found.notes
    yield from (f"An export needs: {need}" for need in found.needs)
    yield f"To find out the value range, the colour order and the activation: tendies init {found.path} --pictures DIR"
