"""Judge the stated input of a network by what it gives under the other usual readings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.network import Arrays
from tendies_ops.export.reference import network_input
from tendies_ops.export.trial.readings import Reading, readings_for
from tendies_ops.export.trial.recognisers import Observation, reason_against
from tendies_ops.export.trial.trial_images import (
    SAME_PICTURE,
    TIED,
    Candidate,
    candidate_of,
    follows_scale,
    largest_difference,
    ranked,
)
from tendies_ops.spec import Contract, InputContract, OutputContract

Pixels = NDArray[np.uint8]
#: Runs the network on a batch of one picture.
Run = Callable[[NDArray[np.generic]], Arrays]
_BETTER = 0.30
_MOST_PICTURES = 3
_LONGEST_SIDE = 160
_DEPENDS = 0.2  #: least spread of answers over the pictures for a reading that others are compared with
_MORE_LIKE_PICTURES = "the golden images come out more like pictures. Check it."
_KEY = "contract.input.range"
_COLORS_KEY = "contract.input.color_order"


@dataclass(frozen=True)
class _Trials:
    """Runs of one output of one network on the same pictures."""

    run: Run
    pictures: Sequence[Pixels]
    name: str
    output: OutputContract

    def values(self, contract: InputContract) -> list[NDArray[np.floating]]:
        return [self.run(network_input(pixels, contract))[self.name][0] for pixels in self.pictures]

    def candidate(self, reading: Reading, color_order: str) -> Candidate | None:
        output = self.output.model_copy(update={"color_order": color_order})
        return candidate_of(reading, self.values(reading.contract), self.pictures, output)


def judge_input(run: Run, pictures: Iterable[Pixels], contract: Contract, name: str) -> tuple[list[str], list[str]]:
    """
    Try the other readings of the input.

    :param name: the output to judge by.
    :return: doubts about the stated input, and what pictures cannot decide about it.
    """
    output = contract.for_output(name)
    trials = _Trials(run, _pictures_to_try(pictures, contract.input, output), name, output)
    stated = Reading("the stated input", contract.input)
    others = [
        reading
        for reading in readings_for(contract.input)
        if contract.input.dtype != "uint8"
        and reading.contract.color_order == contract.input.color_order
        and reading.contract != contract.input
    ]
    if output.kind != "image":
        return _doubts_by_answers(trials, stated, others), []
    now = trials.candidate(stated, output.color_order)
    rest = [one for reading in others if (one := trials.candidate(reading, output.color_order)) is not None]
    doubts, untold = _doubts_of_range(now, rest, stated)
    if contract.input.channels < len("rgb") or now is None:
        return doubts, untold
    more, untold_colors = _doubts_of_colors(trials, now)
    return doubts + more, untold + untold_colors


def _pictures_to_try(pictures: Iterable[Pixels], contract: InputContract, output: OutputContract) -> list[Pixels]:
    """
    Take the pictures of most contrast; of those for a network that takes any size, the middle.

    Answers that are not pictures are compared number by number, and so must be of pictures of one size.
    """
    best = sorted(pictures, key=lambda pixels: -float(pixels.std()))[:_MOST_PICTURES]
    if contract.size is not None:
        return best
    common = [min(pixels.shape[axis] for pixels in best) for axis in (0, 1)]
    height, width = (_LONGEST_SIDE if output.kind == "image" else min(_LONGEST_SIDE, side) for side in common)
    return [_middle(pixels, height, width) for pixels in best]


def _middle(pixels: Pixels, height: int, width: int) -> Pixels:
    top, left = max(0, (pixels.shape[0] - height) // 2), max(0, (pixels.shape[1] - width) // 2)
    return pixels[top : top + height, left : left + width]


def _doubts_of_range(now: Candidate | None, rest: Sequence[Candidate], stated: Reading) -> tuple[list[str], list[str]]:
    best = max(rest, key=lambda one: one.score, default=None)
    better = 2 * _BETTER if now is not None and follows_scale([now, *rest]) else _BETTER
    if best is not None and (now is None or best.score >= now.score + better):
        return [f"{_KEY}: prepared as {best.reading.name}, {_MORE_LIKE_PICTURES}"], []
    if now is None:
        return [], []
    order = ranked([now, *rest])
    is_usual = now.gives_what_it_takes or now.output.range == stated.contract.range  # less a mean
    if order[0].gives_what_it_takes and not is_usual:
        taken, given = (f"{one.low:g} to {one.high:g}" for one in (stated.contract.range, now.output.range))
        rule = f"the network gives {given}. Nearly all networks take and give the same range"
        found = f"prepared as {order[0].reading.name}, the golden images come out as good or better"
        return [f"{_KEY}: it says {taken}, and {rule}, and {found}. Check it."], []
    unlike = [one for one in order if one.tied and one.reading is not stated]
    names = [one.reading.name for one in unlike if largest_difference(now, one) > SAME_PICTURE]
    return [], [f"{_KEY}: {'; or '.join(names)} would look as good"] if names else []


def _doubts_of_colors(trials: _Trials, now: Candidate) -> tuple[list[str], list[str]]:
    """Red and blue exchanged at one end show; exchanged at both ends, most networks give good pictures."""
    order = now.reading.contract.color_order
    other = "rgb" if order == "bgr" else "bgr"
    at_end = "rgb" if trials.output.color_order == "bgr" else "bgr"
    at_output = trials.candidate(now.reading, at_end)
    # A negative has odd colours anyway, and one order at both ends is the rule.
    needed = max(0.0, now.score + _BETTER) if at_end == other else now.score - TIED
    if at_output is not None and at_output.score >= needed:
        doubt = "with red and blue exchanged at the output alone, colours are as near to the golden images or nearer"
        return [f"{_COLORS_KEY}: {doubt}. Check color_order at both ends."], []
    at_both = trials.candidate(_with_colors_exchanged(now.reading, other), at_end)
    if at_both is None or (order == "rgb" and at_both.score <= now.score - TIED):
        return [], []
    if order == "bgr" and at_both.score >= now.score + _BETTER:
        return [f"{_COLORS_KEY}: it says bgr. Prepared as rgb, {_MORE_LIKE_PICTURES}"], []
    return [], [f"{_COLORS_KEY}: pictures do not distinguish {order} from {other}"]


def _with_colors_exchanged(reading: Reading, order: str) -> Reading:
    stated = reading.contract
    mean, deviation = (values and values[::-1] for values in (stated.subtract_mean, stated.divide_by))
    changes = {"color_order": order, "subtract_mean": mean, "divide_by": deviation}
    return Reading(f"{reading.name}, {order.upper()}", stated.model_copy(update=changes))


def _doubts_by_answers(trials: _Trials, stated: Reading, others: Sequence[Reading]) -> list[str]:
    """Compare numbers that are not pictures with those of readings under which they depend on the picture."""
    now, *rest = (_observation(trials, reading) for reading in (stated, *others))
    sound = [one for one in rest if one.variety >= _DEPENDS and np.isfinite(one.magnitude)]
    reason = reason_against(now, [now, *sound]) if sound else ""
    better = next((one.reading.name for one in sound if not reason_against(one, [now, *sound])), "")
    return [f"{_KEY}: {reason}. Prepared as {better}, that is not so. Check it."] if reason and better else []


def _observation(trials: _Trials, reading: Reading) -> Observation:
    answers = tuple(value.astype(np.float64) for value in trials.values(reading.contract))
    return Observation(reading, answers, 0.0, None, are_scores=False)
