"""What a rewrite is: a frozen network in, another that computes (nearly) the same out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tendies_ops.errors import TendiesError
from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.host import Host


class NotApplicableError(TendiesError):
    """The network has nothing to rewrite, or is built in a way that cannot be: it stays as it is."""


def _nothing(host: Host) -> str:
    del host
    return ""


@dataclass(frozen=True)
class Rewrite:
    """
    One rewrite.

    :param apply: raises :class:`NotApplicableError`, saying why, when there is nothing to do.
    :param exact: the results differ in the last bits of float32 only.
    :param lacks: what a host lacks to run the result fast, in words; empty: nothing.
    """

    apply: Callable[[FrozenNetwork], FrozenNetwork]
    exact: bool
    lacks: Callable[[Host], str] = _nothing
