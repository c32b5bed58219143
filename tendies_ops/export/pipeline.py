"""One export, inside the child process: open, run the source, freeze, build, write, load again, prove, describe."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ExportError
from tendies_ops.export.choice_pictures import keep_choice_pictures
from tendies_ops.export.completion import complete_contract
from tendies_ops.export.contract.signature import Plan, build_serving_graph
from tendies_ops.export.describe import Answers, Proof, signature_entry, write_golden, write_manifest
from tendies_ops.export.explain import steps_of_a_picture
from tendies_ops.export.fitting import require_fitting, smaller_pictures
from tendies_ops.export.golden import GoldenImage, company_for, golden_images
from tendies_ops.export.joined_networks import allowed_operations, open_joined
from tendies_ops.export.network import IMAGE, Network
from tendies_ops.export.optimize import FLOAT32, Draft, fuse_instance_norms, optimize
from tendies_ops.export.own_pictures import photographs
from tendies_ops.export.parity import Expectation, compare, decoded, expect, require_parity
from tendies_ops.export.plausibility import describe, judge, require_plausible
from tendies_ops.export.reference import network_input
from tendies_ops.export.savedmodel_files import ServedSignature, write_saved_model
from tendies_ops.export.sources.detect import open_source
from tendies_ops.export.warmup_records import write_warmup
from tendies_ops.graphs import require_computing_model
from tendies_ops.spec import Contract, ModelSpec
from tendies_ops.spec.manifest import ParityEntry, PlausibilityEntry, SignatureEntry
from tendies_ops.spec.neutral_picture import neutral_picture

Say = Callable[[str], None]


def export_to(  # noqa: PLR0913 - keyword arguments, each with a default
    directory: Path,
    spec: ModelSpec,
    say: Say,
    own: Sequence[Path] = (),
    *,
    origin: str | None = None,
    explain: bool = False,
    strict: bool = False,
) -> None:
    """
    Write the whole SavedModel directory, manifest included.

    :param directory: exists, is empty, and belongs to this export alone.
    :param own: golden images in addition to those that are made.
    :param origin: URL that the checkpoint was fetched from.
    :param explain: also report the first golden image after each step.
    :param strict: fail on doubts about the contract.
    :raises TendiesError: anything that stands in the way.
    """
    network, spec = _open(spec, say)
    joined = open_joined(spec.contract, say)
    provenance, inputs = network.provenance, network.inputs
    provenance = replace(provenance, checkpoint=origin or provenance.checkpoint)
    golden = golden_images(spec.golden, spec.contract.input, own)
    expected, plausibility = _run_source((network, joined), golden, spec.contract, say, strict=strict)
    frozen = _freeze(network, say)
    del network
    plan = Plan(frozen, inputs, spec.contract, {name: one.freeze() for name, one in joined.items()})
    signatures = _write(plan, directory, allowed_operations(spec))
    to_optimize = frozen if spec.optimize.precision != FLOAT32 else None
    del frozen, joined, plan
    gc.collect()  # graphs are full of cycles, and hold the weights
    say("Wrote the SavedModel")
    served = ServedSignature(directory)
    answers = answer_golden(served, golden, spec.contract)
    for line in steps_of_a_picture(expected[0], answers, spec.contract) if explain else ():
        say(line)
    parity = prove(expected, answers, spec)
    say(f"Proved it on the reloaded SavedModel: largest difference {max((e.max_abs for e in parity), default=0.0):g}")
    optimization = None
    if to_optimize is not None:
        photos = _photos_of(served, spec, say)
        draft = Draft(directory, spec, to_optimize, inputs, golden, answers, photos)
        optimization = optimize(
            draft,
            lambda other: answer_golden(other, golden, spec.contract),
            lambda other, photo: _call(other, [photo], spec.contract)[0],
            say,
        )
        served = ServedSignature(directory)
        answers = answer_golden(served, golden, spec.contract)
        parity = compare_all(expected, answers, spec.contract)
    write_warmup(directory, spec.model_name, [request_of(served, [image], spec.contract) for image in golden])
    spec = keep_choice_pictures(directory, spec)
    entries = write_golden(directory, golden, answers[: len(golden)])
    write_manifest(directory, spec, provenance, signatures, Proof(entries, tuple(parity), plausibility, optimization))


def _photos_of(served: ServedSignature, spec: ModelSpec, say: Say) -> list[tuple[GoldenImage, dict[str, Any]]]:
    """Return the photographs to certify a variant on, with float32's answers, without those that it refuses."""
    answered = []
    for photo in photographs(spec):
        try:
            answered.append((photo, _call(served, [photo], spec.contract)[0]))
        except ExportError as error:  # noqa: PERF203 - a network takes a second a photograph
            say(f"The certificate leaves out {photo.name}: {error}")
    return answered


def _open(spec: ModelSpec, say: Say) -> tuple[Network, ModelSpec]:
    """Open the source, and complete the contract by what it defines."""
    network = open_source(spec.source, spec.contract)
    _say_what_was_opened(network, say)
    return network, spec.model_copy(update={"contract": complete_contract(spec.contract, network)})


def _freeze(network: Network, say: Say) -> Any:
    frozen, norms = fuse_instance_norms(network.freeze())
    if norms:
        say(f"Rewrote {norms} instance normalisations for TensorFlow's fused kernel")
    return frozen


def _run_source(
    networks: tuple[Network, Mapping[str, Network]],
    golden: Sequence[GoldenImage],
    contract: Contract,
    say: Say,
    *,
    strict: bool,
) -> tuple[list[Expectation], tuple[PlausibilityEntry, ...]]:
    """
    Run the source on the golden images, and compare what it gives with the contract.

    :param networks: the source, and those that turn further pictures into its inputs.
    :raises SpecError: the contract cannot be right.
    :raises ImplausibleError: there are doubts about it, and ``strict`` makes them errors.
    """
    network, joined = networks
    feeds = {name: _neutral_value(contract, network, name, joined.get(name)) for name in contract.extra_inputs}
    expected = expect(network, golden, contract, feeds)
    require_fitting(expected, contract)
    say(f"Ran the source on {len(golden)} golden images")
    for line in smaller_pictures(expected, contract):
        say(line)
    entries = judge(expected, contract, lambda batch: network.run({IMAGE: batch, **feeds}))
    if strict:
        require_plausible(entries)
    for line in (line for entry in entries for line in describe(entry)):
        say(line)
    return expected, tuple(entries)


def _write(plan: Plan, directory: Path, allowed: Sequence[str]) -> dict[str, SignatureEntry]:
    serving = build_serving_graph(plan)
    write_saved_model(serving, directory)
    require_computing_model(directory, allowed)  # before it runs
    return {name: signature_entry(signature) for name, signature in serving.signatures.items()}


def _say_what_was_opened(network: Network, say: Say) -> None:
    provenance = network.provenance
    say(f"Opened {provenance.kind} {provenance.checkpoint}")
    if provenance.unused_variables:
        shown = ", ".join(provenance.unused_variables[:4])
        more = ", ..." if len(provenance.unused_variables) > 4 else ""
        say(f"{len(provenance.unused_variables)} variables of the checkpoint are not part of this graph: {shown}{more}")


def _neutral_value(contract: Contract, network: Network, name: str, joined: Network | None) -> NDArray[Any]:
    """Return what the network is fed for an input besides the picture: its default, else a neutral value."""
    picture = contract.extra_inputs[name].picture
    if picture is not None:
        values = network_input(decoded(neutral_picture(picture), Contract(input=picture)), picture)
        if joined is not None:
            [values] = joined.run({IMAGE: values}).values()
        shape = network.inputs[name].shape
        return values if shape is None or len(shape) == values.ndim else values[0]
    depth, default = contract.extra_inputs[name].one_hot, contract.extra_inputs[name].default
    shape = network.inputs[name].shape
    dtype = np.dtype(network.inputs[name].dtype)
    if depth is None:
        sizes = [dim or 1 for dim in shape or ()]
        return np.zeros(sizes, dtype) if default is None else np.broadcast_to(np.asarray(default, dtype), sizes)
    row: NDArray[Any] = np.eye(depth, dtype=dtype)[int(default or 0)]  # type: ignore[arg-type]  # a class number
    return row if shape is not None and len(shape) == 1 else row[np.newaxis]


def answer_golden(served: ServedSignature, golden: Sequence[GoldenImage], contract: Contract) -> Answers:
    """Send what was written and loaded again each golden image alone, then all in one batch."""
    alone = [_call(served, [image], contract)[0] for image in golden]
    together: dict[str, dict[str, NDArray[Any]]] = {}
    for batch in _batches(served, _in_company(golden, contract), contract):
        answers = _call(served, batch, contract)
        together |= {image.name: answer for image, answer in zip(batch, answers, strict=True)}
    return alone + [together[image.name] for image in golden]


def _in_company(golden: Sequence[GoldenImage], contract: Contract) -> list[GoldenImage]:
    """
    Add a picture where no two are of one size.

    The network gets such pictures one by one, and a network that mixes the pictures of a batch would go unseen.
    """
    sizes = [decoded(image.data, contract).shape[:2] for image in golden]
    if contract.input.batch_size == 1 or len(set(sizes)) < len(sizes):
        return list(golden)
    height, width = min(sizes, key=lambda size: size[0] * size[1])
    return [*golden, company_for((height, width))]


def _batches(served: ServedSignature, golden: Sequence[GoldenImage], contract: Contract) -> list[list[GoldenImage]]:
    """All in one; by size where an output is as large as its picture, because such numbers make no one tensor."""
    import tensorflow as tf

    outputs = served.outputs.values()
    if all(tensor.dtype == tf.string or None not in tensor.shape.as_list()[1:] for tensor in outputs):
        return [list(golden)]
    by_size: dict[tuple[int, ...], list[GoldenImage]] = {}
    for image in golden:
        by_size.setdefault(decoded(image.data, contract).shape, []).append(image)
    return list(by_size.values())


def _call(served: ServedSignature, images: Sequence[GoldenImage], contract: Contract) -> Answers:
    import tensorflow as tf

    try:
        result = served(request_of(served, images, contract))
    except tf.errors.OpError as error:
        raise ExportError(f"The export fails on a golden image: {' '.join(str(error).split())[:400]}.") from error
    return [{name: value[row] for name, value in result.items()} for row in range(len(images))]


def request_of(served: ServedSignature, images: Sequence[GoldenImage], contract: Contract) -> dict[str, NDArray[Any]]:
    """Return all inputs of a request for some pictures; those besides the picture have their default, or zeros."""
    inputs: dict[str, NDArray[Any]] = {"input_bytes": np.array([image.data for image in images], object)}
    for name, one in contract.extra_inputs.items():
        tensor = served.inputs[name]
        if one.picture is not None:
            inputs[name] = np.array([neutral_picture(one.picture)] * len(images), object)
            continue
        shape = [len(images), *[dim or 1 for dim in tensor.shape[1:]]]
        value = np.asarray(0 if one.default is None else one.default, tensor.dtype.as_numpy_dtype)
        inputs[name] = np.broadcast_to(value, shape)
    return inputs


def prove(expected: Sequence[Expectation], answers: Answers, spec: ModelSpec) -> list[ParityEntry]:
    """
    Compare both rounds with the source.

    :raises ParityError: one is outside the tolerance.
    """
    limits = {"tolerance": spec.tolerance, "tensor_tolerance": spec.tensor_tolerance}
    alone, together = answers[: len(expected)], answers[len(expected) :]
    entries = compare_all(expected, alone, spec.contract)
    require_parity(entries, **limits)
    batch = compare_all(expected, together, spec.contract)
    try:
        require_parity(batch, **limits)
    except ExportError as error:
        raise type(error)(
            "Alone each picture is right, in one batch it is not: the network mixes the pictures of a batch. "
            f"Set contract.input.batch_size: 1. {error}"
        ) from error
    return entries


def compare_all(expected: Sequence[Expectation], answers: Answers, contract: Contract) -> list[ParityEntry]:
    """Measure every output of every golden image; ``answers`` may go on with another round."""
    return [
        entry
        for expectation, answer in zip(expected, answers[: len(expected)], strict=True)
        for entry in compare(expectation, answer, contract)
    ]
