"""Proof: source graph against saved model on the golden images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ExportError, ParityError
from tendies_ops.export.contract.encode import bytes_name, scores_name
from tendies_ops.export.golden import GoldenImage
from tendies_ops.export.network import IMAGE, Arrays, Network, first_not_finite
from tendies_ops.export.reference import class_scores, network_input, output_pixels, plain_values
from tendies_ops.spec import Contract
from tendies_ops.spec.manifest import ParityEntry

Unit = Literal["of_255", "absolute"]
_REPEATABLE = 1e-3  #: of the largest value: threads may add in another order, noise is larger
_PICTURES = ("image", "segmentation")


@dataclass(frozen=True)
class Expectation:
    """The source's answer to one golden image."""

    golden: GoldenImage
    size: tuple[int, int]
    outputs: Arrays  #: network output -> value without the batch dimension


def expect(
    network: Network, golden: Sequence[GoldenImage], contract: Contract, feeds: Mapping[str, Any]
) -> list[Expectation]:
    """
    Run the source on the golden images, one at a time, with pixels prepared in NumPy.

    :param feeds: a value for each further input.
    :raises ExportError: the source fails on one, or gives NaN.
    """
    expectations: list[Expectation] = []
    for image in golden:
        pixels = decoded(image.data, contract)
        inputs = {IMAGE: network_input(pixels, contract.input), **feeds}
        try:
            outputs = network.run(inputs)
        except Exception as error:
            raise ExportError(
                f"The source network fails on the golden image {image.name} ({pixels.shape[0]} x {pixels.shape[1]}): "
                f"{' '.join(str(error).split())[:400]}. {_hint(str(error))}"
            ) from error
        _require_one_a_picture(outputs)
        if not expectations:
            _require_repeatable(
                outputs, network.run({IMAGE: network_input(pixels, contract.input), **feeds}), image.name
            )
        bad = first_not_finite(outputs)
        if bad is not None:
            raise ExportError(
                f"The source network gives NaN or infinity in `{bad}` for the golden image {image.name}. "
                "Check the checkpoint and contract.input.range."
            )
        expectations.append(
            Expectation(image, (pixels.shape[0], pixels.shape[1]), {k: v[0] for k, v in outputs.items()})
        )
    return expectations


def _hint(error: str) -> str:
    if "able not initialized" in error:
        return (
            "It looks up words in a table, which an export does not carry. Take the output before the table with "
            "source.output_tensors, and give the words of the model's assets as contract.output.labels."
        )
    return "If it takes one size only, set contract.input.size; if its strides need it, contract.input.multiple_of."


def _require_repeatable(first: Arrays, second: Arrays, image: str) -> None:
    for name, values in first.items():
        before, after = values.astype(np.float64), second[name].astype(np.float64)
        if before.shape != after.shape or not np.isfinite(before).all():
            continue  # the next check names numbers that are not finite
        difference = float(np.abs(before - after).max(initial=0.0))
        if difference > _REPEATABLE * max(1.0, float(np.abs(before).max(initial=0.0))):
            raise ExportError(
                f"The source network answers the golden image {image} otherwise the second time: `{name}` differs by "
                f"up to {difference:g}. It is random (active dropout, added noise) or remembers earlier pictures, so "
                "no proof can hold. Set the dropout rate to 0 in the builder, or bind its training flag to false with "
                "source.constants."
            )


def _require_one_a_picture(outputs: Arrays) -> None:
    for name, value in outputs.items():
        if value.dtype.kind not in "biuf" and value.dtype.name != "bfloat16":
            what = "complex numbers" if value.dtype.kind == "c" else "text"
            raise ExportError(
                f"The output `{name}` is {what}, not pictures or numbers; leave it out with source.output_tensors."
            )
        if value.shape[:1] == (1,):
            continue
        found = "is a single number" if value.ndim == 0 else f"is {list(value.shape)} for a batch of one picture"
        raise ExportError(
            f"The output `{name}` {found}: its first dimension does not count the pictures. Give it one in the builder "
            "(`output[None]`, with contract.input.batch_size: 1), or leave it out with source.output_tensors."
        )


def decoded(data: bytes, contract: Contract) -> NDArray[np.uint8]:
    """Decode eagerly with the decoder that is served: parity is about the same pixels."""
    from tendies_ops.export.contract.decode import decode_file

    pixels: NDArray[np.uint8] = decode_file(data, contract.input).numpy()
    return pixels


def compare(expected: Expectation, answer: Mapping[str, NDArray[Any]], contract: Contract) -> list[ParityEntry]:
    """
    Measure how far the answer to one golden image is from what the source gives.

    :param answer: signature output -> value without the batch dimension.
    """
    entries = []
    image = expected.golden.name
    for name, values in expected.outputs.items():
        output = contract.for_output(name)
        if output.kind in _PICTURES:
            entries.append(_compare_picture(expected, name, values, answer[bytes_name(name)], contract))
        elif output.kind == "classification":
            scores = scores_name(name)
            entries.append(measure(image, scores, "absolute", answer[scores], class_scores(values, output)))
        else:
            entries.append(measure(image, name, "absolute", answer[name], plain_values(name, values, output)))
    return entries


def _compare_picture(
    expected: Expectation, name: str, values: NDArray[Any], file: Any, contract: Contract
) -> ParityEntry:
    import tensorflow as tf

    output = contract.for_output(name)
    resized = contract.input.size is not None and contract.input.resize != "exact"
    wanted = output_pixels(values, expected.size, output, was_resized=resized)
    if output.format == "jpeg":
        wanted = tf.io.decode_jpeg(tf.io.encode_jpeg(wanted, quality=output.jpeg_quality)).numpy()
    got = tf.io.decode_image(file, expand_animations=False).numpy()
    return measure(expected.golden.name, bytes_name(name), "of_255", got, wanted)


def measure(
    golden: str,
    output: str,
    unit: Unit,
    got: NDArray[Any],
    wanted: NDArray[Any],
    *,
    against: Literal["saved_model", "server"] = "saved_model",
) -> ParityEntry:
    """
    Measure one output.

    :param unit: ``absolute`` differences are relative to the largest value if that is above 1.
    :raises ParityError: the shapes differ, or ``got`` holds NaN or infinity, with which no source passes.
    """
    _require_comparable(golden, output, against, got, wanted)
    peak = 255.0 if unit == "of_255" else max(1.0, float(np.abs(wanted).max(initial=0.0)))
    difference = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
    if unit == "absolute":
        difference /= peak
        peak = 1.0
    mean_square = float(np.mean(difference**2)) if difference.size else 0.0
    return ParityEntry(
        golden=golden,
        output=output,
        against=against,
        unit=unit,
        max_abs=float(difference.max(initial=0.0)),
        mean_abs=float(difference.mean()) if difference.size else 0.0,
        psnr_db=float(10 * np.log10(peak**2 / mean_square)) if mean_square > 0 else None,
    )


def _require_comparable(golden: str, output: str, against: str, got: NDArray[Any], wanted: NDArray[Any]) -> None:
    if got.shape != wanted.shape:
        raise ParityError(
            f"For the golden image {golden} the {against} gives `{output}` as {list(got.shape)}, its source "
            f"{list(wanted.shape)}. If the network makes pictures smaller than they came, set "
            "contract.input.multiple_of; if larger, contract.output.scale."
        )
    bad = int((~np.isfinite(got.astype(np.float64))).sum())
    if bad:  # NaN is not above any tolerance
        raise ParityError(
            f"For the golden image {golden} the {against} gives `{output}` with {bad} of {got.size} numbers NaN or "
            "infinite, its source none. A number was too large for the precision that it is computed in."
        )


def require_parity(entries: Sequence[ParityEntry], *, tolerance: float, tensor_tolerance: float) -> None:
    """
    Fail on the worst entry that is outside its tolerance.

    :raises ParityError: names golden image, output, difference and tolerance.
    """
    limits = {"of_255": tolerance, "absolute": tensor_tolerance}
    wrong = [entry for entry in entries if entry.max_abs > limits[entry.unit]]
    if not wrong:
        return
    worst = max(wrong, key=lambda entry: entry.max_abs / max(limits[entry.unit], 1e-12))
    key = "tolerance" if worst.unit == "of_255" else "tensor_tolerance"
    raise ParityError(
        f"The export computes something else than its source: `{worst.output}` of the golden image {worst.golden} "
        f"differs by up to {worst.max_abs:g}{' of 255' if worst.unit == 'of_255' else ''} (mean {worst.mean_abs:g}, "
        f"{worst.against}); `{key}` is {limits[worst.unit]:g}. {len(wrong)} of {len(entries)} comparisons are outside."
    )
