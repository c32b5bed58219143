"""
The trial of a network that gives no pictures: classes, boxes, masks.

Its answers cannot be compared with the photograph. So readings are dropped under which its layers or its answers are
those of a network that is fed wrongly; of what is left, the usual one is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.trial.readings import Reading

_MORE_SATURATED = 0.2  #: of the values of the first Relu6, compared with the best reading
_EXPLODED = 7.0  #: times the magnitude under the reading with the smallest
_SAME_ANSWER = 0.05  #: of the total spread
_SAME_COMPARED = 0.25  #: of the spread under another reading
_ALL_OR_NOTHING, _FAR_FROM_IT = 0.95, 0.5
_DETECTED = 0.3
_FAR_FROM_TRAINING = 1.0  #: stored standard deviations


@dataclass(frozen=True)
class Observation:
    """The behaviour of a network under one reading."""

    reading: Reading
    answers: tuple[NDArray[np.float64], ...]  #: one a photo: the main output
    saturation: float
    distance: float | None
    are_scores: bool  #: of a detector

    @property
    def magnitude(self) -> float:
        """The largest number."""
        return max((float(np.abs(one).max(initial=0.0)) for one in self.answers), default=0.0)

    @property
    def variety(self) -> float:
        """The spread over the photos, as a share of the total spread; 1 if it cannot be computed."""
        if len(self.answers) < 2 or any(answer.shape != self.answers[0].shape for answer in self.answers):
            return 1.0
        stacked = np.stack([answer.ravel() for answer in self.answers])
        total = float(stacked.std())
        return float(stacked.std(axis=0).mean()) / total if total > 0 else 0.0

    @property
    def extremes(self) -> float:
        """The share of answers that are 0 or 1."""
        numbers = np.concatenate([one.ravel() for one in self.answers])
        inside = numbers.size and numbers.min() >= -1e-3 and numbers.max() <= 1 + 1e-3
        return float(np.mean((numbers < 1e-3) | (numbers > 1 - 1e-3))) if inside else 0.0


def reason_against(one: Observation, everyone: Sequence[Observation]) -> str:
    """Return why a reading cannot be right; an empty string if it may be."""
    if not all(np.isfinite(answer).all() for answer in one.answers):
        return "NaN or infinity comes out"
    if one.saturation >= min(other.saturation for other in everyone) + _MORE_SATURATED:
        return f"{one.saturation:.0%} of the first Relu6 are at their end"
    if one.distance is not None and one.distance > _FAR_FROM_TRAINING:
        return f"the first layer is {one.distance:.3g} deviations off what training saw"
    if one.are_scores:
        best = max(float(answer.max(initial=0.0)) for answer in one.answers)
        others = max(float(answer.max(initial=0.0)) for other in everyone for answer in other.answers)
        return f"nothing is detected (best score {best:.2g})" if best <= _DETECTED < others else ""
    smallest = min(other.magnitude for other in everyone)
    if smallest > 0 and one.magnitude >= _EXPLODED * smallest:
        return f"its numbers go up to {one.magnitude:.3g}"
    if _is_one_answer(one, everyone):
        return "the answer is the same for every picture"
    if one.extremes >= _ALL_OR_NOTHING and min(other.extremes for other in everyone) < _FAR_FROM_IT:
        return f"{one.extremes:.0%} of its answers are 0 or 1"
    return ""


def _is_one_answer(one: Observation, everyone: Sequence[Observation]) -> bool:
    """Return True if the answers hardly differ, and do under another reading."""
    return one.variety < _SAME_ANSWER and one.variety < _SAME_COMPARED * max(other.variety for other in everyone)


def color_order_by_weights(red_to_blue: float | None) -> str:
    """Return `rgb` or `bgr` if the first layer's weights show it, else nothing: a photograph has more in red."""
    if red_to_blue is None or 0.9 < red_to_blue < 1.1:
        return ""
    return "rgb" if red_to_blue >= 1.1 else "bgr"
