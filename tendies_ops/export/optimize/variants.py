"""Every rewrite by its name, and which of them are tried together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize.fold import fold
from tendies_ops.export.optimize.half_precision import bfloat16, float16
from tendies_ops.export.optimize.host import Host
from tendies_ops.export.optimize.int8_weights import int8_weights
from tendies_ops.export.optimize.rewrite import NotApplicableError, Rewrite
from tendies_ops.spec.optimize import REWRITE_NAMES, RewriteName

FLOAT32 = "float32"
REWRITES: dict[RewriteName, Rewrite] = {
    "fold": Rewrite(fold, exact=True),
    "bfloat16": Rewrite(bfloat16, exact=False, lacks=Host.lacks_for_bfloat16),
    "float16": Rewrite(float16, exact=False, lacks=Host.lacks_for_float16),
    "int8_weights": Rewrite(int8_weights, exact=False),
}


@dataclass(frozen=True)
class Variant:
    """
    The network under some rewrites, in their order.

    :param left_out: for each rewrite that was wanted and could not be done: its name and why, in words.
    """

    rewrites: tuple[RewriteName, ...]
    network: FrozenNetwork
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As the manifest and the table call it."""
        return "+".join(self.rewrites) or FLOAT32

    @property
    def exact(self) -> bool:
        """Return whether it computes the same but for float32's last bits."""
        return all(REWRITES[name].exact for name in self.rewrites)


def make_variant(network: FrozenNetwork, wanted: Sequence[RewriteName]) -> Variant:
    """
    Rewrite a network, in the order that makes sense whatever order they are named in.

    A rewrite that finds nothing to do is left out.
    """
    variant = Variant((), network)
    for name in (name for name in REWRITE_NAMES if name in wanted):
        variant = _rewritten(variant, name)
    return variant


def _rewritten(variant: Variant, name: RewriteName) -> Variant:
    try:
        network = REWRITES[name].apply(variant.network)
    except NotApplicableError as error:
        return replace(variant, left_out=(*variant.left_out, f"{name}: {error}"))
    return replace(variant, rewrites=(*variant.rewrites, name), network=network)


def wanted_by_auto(host: Host, *, only_exact: bool = False) -> tuple[list[tuple[RewriteName, ...]], list[str]]:
    """
    Name what ``auto`` tries: what is exact, and on top of it each precision that the host is fast with.

    :param only_exact: for answers that are no pictures, whose price nobody can see.
    :return: the rewrites of each variant, and why others are not among them.
    """
    wanted: list[tuple[RewriteName, ...]] = [("fold",)]
    reasons: list[str] = []
    for name in ("bfloat16", "float16") if not only_exact else ():
        lacking = REWRITES[name].lacks(host)
        if lacking:
            reasons.append(f"{name}: {lacking}")
        else:
            wanted.append(("fold", name))
    return wanted, reasons


def variants_to_try(network: FrozenNetwork, host: Host, *, only_exact: bool = False) -> tuple[list[Variant], list[str]]:
    """
    Make what ``auto`` tries.

    :param only_exact: for answers that are no pictures, whose price nobody can see.
    :return: variants, no two alike, and why others are not among them.
    """
    wanted, reasons = wanted_by_auto(host, only_exact=only_exact)
    found: dict[str, Variant] = {}
    for names in wanted:
        variant = make_variant(network, names)
        reasons += [reason for reason in variant.left_out if reason not in reasons]
        if variant.rewrites:
            found.setdefault(variant.name, variant)
    return list(found.values()), reasons
