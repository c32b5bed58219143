"""In which precisions a network can be made, and which of them a host is fast with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.half_precision import bfloat16, float16
from tendies_ops.export.optimize.host import Host

FLOAT32 = "float32"


@dataclass(frozen=True)
class Precision:
    """
    One precision.

    :param convert: raises :class:`NotApplicableError`, with the reason, when the network cannot be made in it.
    :param lacks: what a host lacks to be fast with it, as text; empty: nothing.
    """

    convert: Callable[[FrozenNetwork], FrozenNetwork]
    lacks: Callable[[Host], str]


PRECISIONS: Mapping[str, Precision] = {
    "bfloat16": Precision(bfloat16, Host.lacks_for_bfloat16),
    "float16": Precision(float16, Host.lacks_for_float16),
}


def worth_trying(host: Host) -> tuple[list[str], list[str]]:
    """Name the precisions that the host is fast with, and why the others are not among them."""
    lacking = {name: precision.lacks(host) for name, precision in PRECISIONS.items()}
    return (
        [name for name, why_not in lacking.items() if not why_not],
        [f"{name}: {why_not}" for name, why_not in lacking.items() if why_not],
    )
