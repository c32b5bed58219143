"""The swap of one version for another as lanes: a replica each, from before the rename until it serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_BEFORE = 0.2  # of the width: what served before the rename


@dataclass(frozen=True)
class Lane:
    """One replica."""

    server: str
    available_s: float  #: after the rename

    @property
    def name(self) -> str:
        """Return host and port."""
        return self.server.split("://")[-1]


def end_s(lanes: Sequence[Lane]) -> float:
    """Return where the lanes end: half as long again as the slowest replica took."""
    return max(1.0, 1.5 * max((lane.available_s for lane in lanes), default=1.0))


def draw_lane(lane: Lane, lanes: Sequence[Lane]) -> Markup:
    """
    Draw what a replica served over the time of a swap.

    Its name has the same as text. All lanes have the scale of the slowest.
    """
    width, zero = 1000.0, 1000.0 * _BEFORE
    served = min(width, zero + (width - zero) * lane.available_s / end_s(lanes))
    label = f"{lane.name}: the new version served {lane.available_s:.1f} s after the rename"
    return Markup(
        '<svg class="lane" viewBox="0 0 1000 20" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="old" width="{}" height="20"/><rect class="load" x="{}" width="{}" height="20"/>'
        '<rect class="new" x="{}" width="{}" height="20"/><rect class="zero" x="{}" width="2" height="20"/></svg>'
    ).format(label, zero, zero, round(served - zero, 1), round(served, 1), round(width - served, 1), zero)
