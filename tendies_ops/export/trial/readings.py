"""The ways in which networks are fed, each as part of an input contract."""

from __future__ import annotations

from dataclasses import dataclass

from tendies_ops.spec import InputContract
from tendies_ops.spec.input_contract import ValueRange

#: Mean and standard deviation of ImageNet's red, green and blue, of 0..1, as torchvision and Keras have them.
_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEAN_OF_255 = (123.68, 116.779, 103.939)  #: the same mean as networks of Caffe's time have it
_ZERO_TO_ONE, _MINUS_ONE, _BYTES = ValueRange(), ValueRange(low=-1, high=1), ValueRange(low=0, high=255)


@dataclass(frozen=True)
class Reading:
    """One way to make numbers of pixels."""

    name: str
    contract: InputContract

    @property
    def range(self) -> ValueRange | None:
        """The numbers for black and white; None: they are others for each channel."""
        mean, deviation = set(self.contract.subtract_mean or (0.0,)), set(self.contract.divide_by or (1.0,))
        if len(mean) > 1 or len(deviation) > 1:
            return None
        stated = self.contract.range
        low, high = ((edge - min(mean)) / min(deviation) for edge in (stated.low, stated.high))
        return ValueRange(low=min(low, high), high=max(low, high))


def readings_for(base: InputContract) -> list[Reading]:
    """
    List the readings that are worth a trial, the usual ones first: red first, then without a mean.

    :param base: what the graph itself defines about its input.
    """
    orders = ("rgb", "bgr") if base.channels == 3 else ("rgb",)
    ranges = [base.range] if base.dtype == "uint8" else [_ZERO_TO_ONE, _MINUS_ONE, _BYTES]
    found = []
    for order in orders:
        changes = [{"range": one} for one in ranges] + (_with_mean(base.channels, order) if len(ranges) > 1 else [])
        found += [_reading(base, {"color_order": order, **change}) for change in changes]
    return found


def _with_mean(channels: int, order: str) -> list[dict[str, object]]:
    if channels not in (1, 3):
        return []
    axes = slice(None) if channels == 3 and order == "rgb" else slice(None, None, -1)
    mean, std, mean_of_255 = (
        values[axes] if channels == 3 else (round(sum(values) / 3, 3),)
        for values in (_IMAGENET_MEAN, _IMAGENET_STD, _MEAN_OF_255)
    )
    normalised: dict[str, object] = {"range": _ZERO_TO_ONE, "subtract_mean": mean, "divide_by": std}
    return [*([normalised] if order == "rgb" else []), {"range": _BYTES, "subtract_mean": mean_of_255}]


def _reading(base: InputContract, changes: dict[str, object]) -> Reading:
    contract = base.model_copy(update=changes)
    name = f"{contract.range.low:g}..{contract.range.high:g}"
    if contract.dtype == "uint8":
        name = "the pixels as they are"
    elif contract.divide_by:
        name = "mean and deviation of ImageNet"
    elif contract.subtract_mean:
        name += " minus the mean of ImageNet"
    return Reading(f"{name}, {contract.color_order.upper()}" if base.channels == 3 else name, contract)
