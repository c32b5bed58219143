"""
A faster graph for the same weights: named rewrites of the frozen network, with the price in pixels stated.

:mod:`.variants` names the rewrites; :mod:`.run` makes variants, holds each against the pixel gate, measures it through
the embedded Model Server, and puts the one that is taken in the place of the plain export.
"""

from __future__ import annotations

from tendies_ops.export.optimize.optimizer import Draft, optimize

__all__ = ["Draft", "optimize"]
