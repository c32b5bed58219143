"""The contracts that a trial proposes, with the reason for each part and with what pictures cannot decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tendies_ops.export.trial.network_outputs import ReadOutput, shown
from tendies_ops.export.trial.recognisers import Observation, color_order_by_weights, reason_against
from tendies_ops.export.trial.trial_images import SAME_PICTURE, TIED, Candidate, largest_difference
from tendies_ops.spec import Contract

#: The mark of a key in a draft: found by the trial, read off the graph, or the usual thing.
MEASURED, ASSUMED = "measured", "assumed"


@dataclass
class Proposal:
    """One contract that may be right."""

    name: str
    contract: Contract
    verdict: str  #: how it compares with the others, as a sentence
    marks: dict[str, str] = field(default_factory=dict)  #: `input.range` -> why, as a comment
    photos: Sequence[object] = ()  #: pixels, or text, one for each photo


def propose_pictures(
    order: Sequence[Candidate], base: Contract, main: str, others: Mapping[str, ReadOutput]
) -> list[Proposal]:
    """
    Make proposals of the ranked readings of a network that gives pictures; those that give the same are put together.

    :param main: the output that was examined.
    :param others: the contracts of the other outputs.
    """
    kept: list[tuple[Candidate, list[Candidate]]] = []
    for candidate in order:
        alike = next((names for other, names in kept if _are_alike(candidate, other)), None)
        if alike is None:
            kept.append((candidate, []))
        else:
            alike.append(candidate)
    return [
        _proposal(candidate, alike, order, base, {main: (candidate.output, ""), **others}) for candidate, alike in kept
    ]


def _are_alike(one: Candidate, other: Candidate) -> bool:
    return one.tied == other.tied and largest_difference(one, other) <= SAME_PICTURE


def _proposal(
    one: Candidate,
    alike: list[Candidate],
    order: Sequence[Candidate],
    base: Contract,
    outputs: Mapping[str, ReadOutput],
) -> Proposal:
    contract = _with_outputs(base.model_copy(update={"input": one.reading.contract}), outputs)
    verdict = f"score {one.score:.2f}" + (f"; the same pictures: {_named(alike, one)}" if alike else "")
    others = [other for other in order if other is not one]
    main = next(iter(outputs))
    place = "output" if _are_alike_outputs(outputs) else f"outputs.{main}"
    marks = {
        **marks_of_sizes(base),
        "input.range": _range_mark(one, others),
        "input.color_order": _color_mark(one, others),
        **_marks_of_outputs({name: read for name, read in outputs.items() if name != main}),
        f"{place}.range": f"{MEASURED} by the numbers that the network gave",
    }
    return Proposal(one.name, contract, verdict, marks, one.pictures)


def _range_mark(one: Candidate, others: Sequence[Candidate]) -> str:
    if one.reading.contract.dtype == "uint8":
        return "the network takes whole numbers"
    rivals = [
        o
        for o in others
        if _numbers(o) != _numbers(one) and o.reading.contract.color_order == one.reading.contract.color_order
    ]
    tied = [o for o in rivals if o.tied and one.tied]
    if not tied:
        nearest = max(rivals, key=lambda o: o.score, default=None)
        rest = f"the best other reading, {nearest.name}, scores {nearest.score:.2f}" if nearest else "nothing else fits"
        return f"{MEASURED}: this reading scores {one.score:.2f}, {rest}"
    others_told = [f"{_named([o], one)} ({largest_difference(one, o):.0f} of 255 away)" for o in tied]
    if all(largest_difference(one, o) <= SAME_PICTURE for o in tied):
        return f"{ASSUMED}, and it does not matter: {_named(tied, one)} give the same pictures"
    return f"{ASSUMED}: pictures do not distinguish it from {'; '.join(others_told)}"


def _named(others: Sequence[Candidate], one: Candidate) -> str:
    """Name readings, with their output range where it is not that of ``one``."""
    return "; ".join(o.reading.name if o.output.range == one.output.range else o.name for o in others)


def _color_mark(one: Candidate, others: Sequence[Candidate]) -> str:
    swapped = next((o for o in others if _numbers(o) == _numbers(one) and o is not one), None)
    if swapped is None:
        return "the only one with sane numbers"
    distance = largest_difference(one, swapped)
    order = swapped.reading.contract.color_order.upper()
    if swapped.score > one.score + TIED:
        return f"{ASSUMED}, as most networks have it; {order} scores better ({swapped.score:.2f}): check the sheet"
    if swapped.score < one.score - TIED:
        return f"{MEASURED}: {order} scores {swapped.score:.2f} and not {one.score:.2f}"
    if distance <= SAME_PICTURE:
        return f"{ASSUMED}, and it does not matter: {order} gives the same pictures"
    return f"{ASSUMED}: pictures do not distinguish it from {order} ({distance:.0f} of 255 away)"


def _numbers(one: Candidate) -> tuple[object, ...]:
    given = one.reading.contract
    return given.range, bool(given.subtract_mean), bool(given.divide_by)


def in_order(seen: Sequence[Observation], red_to_blue: float | None) -> list[Observation]:
    """Sort readings: first those that nothing speaks against, in the colour order of the first layer's weights."""
    wanted = color_order_by_weights(red_to_blue) or "rgb"
    return sorted(seen, key=lambda one: (bool(reason_against(one, seen)), one.reading.contract.color_order != wanted))


def propose_recogniser(
    order: Sequence[Observation],
    base: Contract,
    outputs: Mapping[str, ReadOutput],
    red_to_blue: float | None,
) -> list[Proposal]:
    """Make proposals of the readings of a network that gives no pictures, in the order of :func:`in_order`."""
    reasons = {one.reading.name: reason_against(one, order) for one in order}
    by_weights = color_order_by_weights(red_to_blue)
    names = [
        one.reading.name
        for one in order
        if not reasons[one.reading.name] and one.reading.contract.color_order == (by_weights or "rgb")
    ]
    color = (
        f"{MEASURED} by the first layer's weights, of which red to blue is {red_to_blue:.2f}"
        if by_weights
        else f"{ASSUMED}: nothing here distinguishes RGB from BGR"
    )
    return [
        Proposal(
            one.reading.name,
            _with_outputs(base.model_copy(update={"input": one.reading.contract}), outputs),
            reasons[one.reading.name] or "nothing speaks against it",
            {
                **marks_of_sizes(base),
                "input.range": _recogniser_mark(one, names, reasons),
                "input.color_order": color,
                **_marks_of_outputs(outputs),
            },
            tuple(map(shown, one.answers)),
        )
        for one in order
    ]


def _recogniser_mark(one: Observation, left: Sequence[str], reasons: Mapping[str, str]) -> str:
    if one.reading.contract.dtype == "uint8":
        return "the network takes whole numbers"
    if reasons[one.reading.name]:
        return f"doubtful: {reasons[one.reading.name]}"
    rivals = [name for name in left if name != one.reading.name]
    if not rivals:
        return f"{MEASURED}: under each other reading its layers or answers are those of a network that is fed wrongly"
    return f"{ASSUMED}, the usual one: answers alone do not distinguish it from {', '.join(rivals)}"


def marks_of_sizes(base: Contract) -> dict[str, str]:
    """Return the reasons for the sizes of a contract."""
    given, marks = base.input, {}
    if given.size is not None:
        marks["input.size"] = "the network takes no other size; `resize: exact` would refuse other pictures"
    if given.multiple_of > 1:
        marks["input.multiple_of"] = f"{MEASURED}: with other sizes the result is not as large as the picture"
    if given.batch_size == 1:
        marks["input.batch_size"] = f"{MEASURED}: in one batch, pictures get other answers than alone, or none"
    return marks


def _marks_of_outputs(outputs: Mapping[str, ReadOutput]) -> dict[str, str]:
    is_one = _are_alike_outputs(outputs)
    return {"output.kind" if is_one else f"outputs.{name}.kind": comment for name, (_, comment) in outputs.items()}


def _are_alike_outputs(outputs: Mapping[str, ReadOutput]) -> bool:
    return len({output.model_dump_json() for output, _ in outputs.values()}) == 1


def _with_outputs(base: Contract, outputs: Mapping[str, ReadOutput]) -> Contract:
    if _are_alike_outputs(outputs):
        return base.model_copy(update={"output": next(iter(outputs.values()))[0]})
    return base.model_copy(update={"outputs": {name: output for name, (output, _) in outputs.items()}})
