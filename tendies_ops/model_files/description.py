"""The description of a model, as far as its file goes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Tensor:
    """One tensor of a model, as far as the file describes it."""

    name: str  #: as a model spec names it
    dtype: str  #: numpy's name, ``string``, or ``?``
    shape: Shape | None  #: None: not in the file
    why: str = ""  #: why it is likely

    def __str__(self) -> str:
        """Return `name dtype [shape]`."""
        dims = "any shape" if self.shape is None else f"[{', '.join('?' if d is None else str(d) for d in self.shape)}]"
        return f"{self.name} {self.dtype} {dims}"


@dataclass(frozen=True)
class Signature:
    """A named function of a SavedModel."""

    inputs: Mapping[str, Tensor]  #: name of the signature -> tensor of the graph
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class ModelFile:
    """The content of a file or directory, as ``tendies inspect`` shows it."""

    path: Path
    format: str  #: as a sentence calls it, with its article
    kind: str | None = None  #: what a spec calls the kind of source; None: it is not exported
    advice: str = ""  #: for what is not exported: the way to convert it
    inputs: tuple[Tensor, ...] = ()  #: those that can be the picture, the likeliest first
    outputs: tuple[Tensor, ...] = ()  #: the likeliest first
    constants: Mapping[str, Any] = field(default_factory=dict)  #: further inputs and a value that fits each
    further_inputs: tuple[Tensor, ...] = ()  #: inputs that a spec must bind, and that no rule knows a value for
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    variables: Mapping[str, Shape] = field(default_factory=dict)  #: weights, by name
    notes: tuple[str, ...] = ()  #: further facts, each a sentence
    needs: tuple[str, ...] = ()  #: keys that an export still needs, each with the reason

    @property
    def parameters(self) -> int:
        """The number of values in all variables."""
        return sum(math.prod(side or 1 for side in shape) for shape in self.variables.values())

    def summary(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        return {
            **dataclasses.asdict(self),
            "path": str(self.path),
            "exported": self.kind is not None,
            "parameters": self.parameters,
        }
