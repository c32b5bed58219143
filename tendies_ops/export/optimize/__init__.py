"""
A faster graph for the same weights: fused kernels by default, another precision where the spec asks for it.

:mod:`.norm_forms` writes instance normalisation so that TensorFlow fuses it. :mod:`.precisions` names the precisions;
:mod:`.optimizer` makes variants, checks each with the pixel gate, measures it through the embedded Model Server, and
puts the one that is taken in the place of the plain export.
"""

from __future__ import annotations

from tendies_ops.export.optimize.norm_forms import fuse_instance_norms
from tendies_ops.export.optimize.optimizer import Draft, optimize
from tendies_ops.export.optimize.precisions import FLOAT32

__all__ = ["FLOAT32", "Draft", "fuse_instance_norms", "optimize"]
