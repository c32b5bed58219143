"""One export, inside the child process: open, run the source, freeze, build, write, load again, prove, describe."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ExportError
from tendies_ops.export.contract.signature import Plan, ServingGraph, build_serving_graph
from tendies_ops.export.golden import GoldenImage, golden_images
from tendies_ops.export.network import IMAGE, Network
from tendies_ops.export.parity import Expectation, compare, expect, require_parity
from tendies_ops.export.savedmodel_files import PREDICT_METHOD, load_signature, signature_def, write_saved_model
from tendies_ops.export.sources.detect import open_source
from tendies_ops.files import digest_of_digests
from tendies_ops.spec import MANIFEST_PATH, Contract, InputContract, Manifest, ModelSpec
from tendies_ops.spec.contract import Size
from tendies_ops.spec.manifest import (
    GOLDEN_DIRECTORY,
    FileEntry,
    GoldenEntry,
    ParityEntry,
    SignatureEntry,
    SourceEntry,
    TensorEntry,
    digest_version_files,
)

_PNG_START = b"\x89PNG"

Say = Callable[[str], None]
Answers = list[dict[str, NDArray[Any]]]


def export_to(directory: Path, spec: ModelSpec, say: Say) -> None:
    """
    Write the whole SavedModel directory, manifest included.

    :param directory: exists, is empty, and belongs to this export alone.
    :raises TendiesError: anything that stands in the way.
    """
    network = open_source(spec.source, spec.contract)
    provenance = network.provenance
    say(f"Opened {provenance.kind} {provenance.checkpoint}")
    if provenance.unused_variables:
        say(f"{len(provenance.unused_variables)} variables of the checkpoint are not part of this graph")
    contract = complete_contract(spec.contract, network)
    golden = golden_images(spec.golden, contract.input)
    feeds = {name: network_value(contract, network, name) for name in contract.extra_inputs}
    expected = expect(network, golden, contract, feeds)
    say(f"Ran the source on {len(golden)} golden images")
    serving = build_serving_graph(Plan(network.freeze(), network.inputs, contract))
    write_saved_model(serving.graph, _signatures(serving), directory)
    say("Wrote the SavedModel")
    answers = answer(directory, golden, contract)
    entries = prove(expected, answers, contract, spec)
    say(f"Proved: max difference {max((e.max_abs for e in entries), default=0.0):g}")
    golden_entries = write_golden(directory, golden, answers[: len(golden)])
    write_manifest(directory, spec, contract, network, serving, golden_entries, entries)


def complete_contract(contract: Contract, network: Network) -> Contract:
    """
    Add what the graph says itself: a fixed batch of one, a fixed size.

    :raises ExportError: graph and contract contradict each other.
    """
    shape = network.inputs[IMAGE].shape
    if shape is None:
        return contract
    if len(shape) != 4:
        raise ExportError(
            f"The network's picture input has the shape {list(shape)}; a batch of pictures has 4 dimensions. "
            "Set source.input_tensor to the right tensor."
        )
    height, width, channels = shape[1:] if contract.input.layout == "nhwc" else (*shape[2:], shape[1])
    if channels not in (None, contract.input.channels):
        raise ExportError(
            f"The network takes {channels} channels ({list(shape)}, {contract.input.layout}) and the contract says "
            f"{contract.input.channels}. Correct contract.input.channels or contract.input.layout."
        )
    changes: dict[str, Any] = {}
    if shape[0] is not None:
        if shape[0] != 1:
            raise ExportError(f"The network is built for a batch of {shape[0]}; build it for 1 or for any batch.")
        changes["batch_size"] = 1
    if height is not None and width is not None:
        _require_size(contract.input, height, width)
        changes["size"] = Size(height=height, width=width)
    return contract.model_copy(update={"input": contract.input.model_copy(update=changes)})


def _require_size(contract: InputContract, height: int, width: int) -> None:
    if contract.size is not None and (contract.size.height, contract.size.width) != (height, width):
        raise ExportError(
            f"The network takes {height} x {width} (height x width) and contract.input.size says "
            f"{contract.size.height} x {contract.size.width}."
        )


def network_value(contract: Contract, network: Network, name: str) -> NDArray[Any]:
    """What the network is fed for a further input on the golden images: class 0, or zeros."""
    depth = contract.extra_inputs[name].one_hot
    shape = network.inputs[name].shape or ()
    value = np.zeros([dim or 1 for dim in shape], network.inputs[name].dtype)
    if depth is not None:
        value = np.broadcast_to(np.eye(depth, dtype=value.dtype)[0], value.shape if value.ndim else (1, depth)).copy()
    return value


def answer(directory: Path, golden: Sequence[GoldenImage], contract: Contract) -> Answers:
    """Load what was written, and send it each golden image alone, then all in one batch."""
    function = load_signature(directory)
    rounds = [[image.data] for image in golden] + [[image.data for image in golden]]
    answers: Answers = []
    for files in rounds:
        result = _call(function, files, contract)
        answers += [{name: value[row] for name, value in result.items()} for row in range(len(files))]
    return answers


def _call(function: Any, files: list[bytes], contract: Contract) -> dict[str, NDArray[Any]]:
    import tensorflow as tf

    extra = {}
    for name in contract.extra_inputs:
        spec = function.structured_input_signature[1][name]
        extra[name] = tf.zeros([len(files), *[dim or 1 for dim in spec.shape[1:]]], spec.dtype)
    try:
        result = function(input_bytes=tf.constant(files), **extra)
    except tf.errors.OpError as error:
        raise ExportError(f"The export fails on a golden image: {' '.join(str(error).split())[:400]}.") from error
    return {name: tensor.numpy() for name, tensor in result.items()}


def prove(expected: Sequence[Expectation], answers: Answers, contract: Contract, spec: ModelSpec) -> list[ParityEntry]:
    """Compare both rounds with the source, and fail outside the tolerance."""
    alone, together = answers[: len(expected)], answers[len(expected) :]
    entries = [entry for e, a in zip(expected, alone, strict=True) for entry in compare(e, a, contract)]
    require_parity(entries, tolerance=spec.tolerance, tensor_tolerance=spec.tensor_tolerance)
    batch = [entry for e, a in zip(expected, together, strict=True) for entry in compare(e, a, contract)]
    try:
        require_parity(batch, tolerance=spec.tolerance, tensor_tolerance=spec.tensor_tolerance)
    except ExportError as error:
        raise type(error)(
            f"Alone the pictures are right, in one batch they are not: the network mixes the pictures of a batch. "
            f"Set contract.input.batch_size: 1. {error}"
        ) from error
    return entries


def write_golden(directory: Path, golden: Sequence[GoldenImage], answers: Answers) -> tuple[GoldenEntry, ...]:
    """Keep the golden files and the promised answers inside the version."""
    folder = directory / GOLDEN_DIRECTORY
    folder.mkdir(parents=True)
    entries = []
    for image, outputs in zip(golden, answers, strict=True):
        (folder / image.file_name).write_bytes(image.data)
        stem = Path(image.file_name).stem
        files = {name: _write_answer(folder, f"{stem}.{name}", value) for name, value in outputs.items()}
        entries.append(GoldenEntry(name=image.name, input=f"{GOLDEN_DIRECTORY}/{image.file_name}", outputs=files))
    return tuple(entries)


def _write_answer(folder: Path, stem: str, value: Any) -> str:
    if isinstance(value, bytes):
        name = stem + (".png" if value.startswith(_PNG_START) else ".jpg")
        (folder / name).write_bytes(value)
    else:
        name = f"{stem}.json"
        plain = np.asarray(value)
        listed = [v.decode() for v in plain.tolist()] if plain.dtype == object else plain.tolist()
        (folder / name).write_text(json.dumps(listed), encoding="utf-8")
    return f"{GOLDEN_DIRECTORY}/{name}"


def write_manifest(
    directory: Path,
    spec: ModelSpec,
    contract: Contract,
    network: Network,
    serving: ServingGraph,
    golden: tuple[GoldenEntry, ...],
    parity: list[ParityEntry],
) -> None:
    """Digest everything that was written and describe it."""
    import tensorflow as tf

    files = digest_version_files(directory)
    provenance = network.provenance
    manifest = Manifest(
        model_name=spec.model_name,
        model_digest=digest_of_digests(files),
        files={name: FileEntry(sha256=d.sha256, size_bytes=d.size_bytes) for name, d in files.items()},
        source=SourceEntry(
            kind=provenance.kind,
            checkpoint=provenance.checkpoint,
            digest=provenance.digest,
            step=provenance.step,
            builder=spec.source.builder,
            unused_variables=provenance.unused_variables,
        ),
        signatures={
            "serving_default": SignatureEntry(
                method_name=PREDICT_METHOD,
                inputs={name: _tensor_entry(t) for name, t in serving.inputs.items()},
                outputs={name: _tensor_entry(t) for name, t in serving.outputs.items()},
            )
        },
        contract=contract,
        golden=golden,
        parity=tuple(parity),
        tolerance=spec.tolerance,
        tensor_tolerance=spec.tensor_tolerance,
        libraries={"tensorflow": tf.__version__, "numpy": np.__version__, "python": platform.python_version()},
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    (directory / MANIFEST_PATH).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _signatures(serving: ServingGraph) -> Mapping[str, Any]:
    return {"serving_default": signature_def(serving.inputs, serving.outputs, PREDICT_METHOD)}


def _tensor_entry(tensor: Any) -> TensorEntry:
    shape = None if tensor.shape.rank is None else tuple(-1 if d is None else d for d in tensor.shape.as_list())
    return TensorEntry(dtype=tensor.dtype.name, shape=shape)
