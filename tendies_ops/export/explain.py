"""The way of one picture through the export, step by step, to see where values differ from those of training."""

from __future__ import annotations

from typing import Any

import numpy as np

from tendies_ops.export.describe import Answers
from tendies_ops.export.parity import Expectation
from tendies_ops.spec import Contract


def steps_of_a_picture(expected: Expectation, answers: Answers, contract: Contract) -> list[str]:
    """
    Describe shape, dtype and minimum, mean and maximum after each step, one line each.

    :param expected: what the source computes for the picture.
    :param answers: what the export answered; the first is for this picture.
    """
    import tensorflow as tf

    from tendies_ops.export.contract.decode import decode_file, to_network_size, to_network_values
    from tendies_ops.export.contract.encode import to_pixels

    pixels = decode_file(tf.constant(expected.golden.data), contract.input)
    sized = to_network_size(pixels, contract.input)
    lines = [
        f"The way of the golden image {expected.golden.name}:",
        _line("file", f"{len(expected.golden.data)} bytes"),
        _step("decoded", pixels),
        _step("at the network's size", sized),
        _step("network input", to_network_values(sized[tf.newaxis], contract.input)),
    ]
    for name, values in expected.outputs.items():
        lines.append(_step(f"network output `{name}`", values[np.newaxis]))
        if contract.for_output(name).kind == "image":
            lines.append(
                _step("clipped to pixels", to_pixels(tf.constant(values[np.newaxis]), contract.for_output(name)))
            )
    for name, value in answers[0].items():
        lines.append(_answer(name, value))
    return lines


def _answer(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return _line(f"answer `{name}`", f"{len(value)} bytes")
    return _step(f"answer `{name}`", value)


def _step(name: str, tensor: Any) -> str:
    values = np.asarray(tensor)
    what = f"{values.dtype} {list(values.shape)}"
    if values.size and np.issubdtype(values.dtype, np.number):
        what += f"  min {values.min():g}  mean {values.mean(dtype=np.float64):g}  max {values.max():g}"
    return _line(name, what)


def _line(name: str, what: str) -> str:
    return f"  {name:<26} {what}"
