"""Writing down what was made: the golden images with their promised answers, and the manifest."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.export.contract.signature import Signature
from tendies_ops.export.golden import GoldenImage
from tendies_ops.export.network import Provenance
from tendies_ops.files import digest_of_digests
from tendies_ops.graphs import operations_of, require_computing
from tendies_ops.spec import MANIFEST_PATH, Manifest, ModelSpec
from tendies_ops.spec.manifest import (
    GOLDEN_DIRECTORY,
    FileEntry,
    GoldenEntry,
    OptimizationEntry,
    ParityEntry,
    PlausibilityEntry,
    SignatureEntry,
    SourceEntry,
    TensorEntry,
    TrustEntry,
    digest_version_files,
)

#: One dict a golden image: signature output -> value without the batch dimension.
Answers = list[dict[str, NDArray[Any]]]
_PNG_START = b"\x89PNG"


@dataclass(frozen=True)
class Proof:
    """The promises of a version, its distance from its source, and evidence against its contract."""

    golden: tuple[GoldenEntry, ...]
    parity: tuple[ParityEntry, ...]
    plausibility: tuple[PlausibilityEntry, ...] = ()
    optimization: OptimizationEntry | None = None


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
        path = folder / (stem + (".png" if value.startswith(_PNG_START) else ".jpg"))
        path.write_bytes(value)
    else:
        path = folder / f"{stem}.json"
        path.write_text(json.dumps(_plain(value)), encoding="utf-8")
    return f"{GOLDEN_DIRECTORY}/{path.name}"


def _plain(value: Any) -> Any:
    """Return lists and numbers; text as text."""
    listed = np.asarray(value).tolist()
    return [text.decode() for text in listed] if np.asarray(value).dtype == object else listed


def write_manifest(
    directory: Path, spec: ModelSpec, provenance: Provenance, signatures: dict[str, SignatureEntry], proof: Proof
) -> None:
    """
    Digest everything that was written and describe it.

    :param spec: with the contract that was completed from the graph.
    """
    files = digest_version_files(directory)
    manifest = Manifest(
        model_name=spec.model_name,
        model_digest=digest_of_digests(files),
        files={name: FileEntry(sha256=d.sha256, size_bytes=d.size_bytes) for name, d in files.items()},
        source=_source_entry(provenance, spec),
        trust=_trust_entry(directory, spec),
        signatures=signatures,
        contract=spec.contract,
        golden=proof.golden,
        parity=proof.parity,
        plausibility=proof.plausibility,
        tolerance=spec.tolerance,
        tensor_tolerance=spec.tensor_tolerance,
        optimization=proof.optimization,
        libraries=_libraries(),
        created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    (directory / MANIFEST_PATH).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _source_entry(provenance: Provenance, spec: ModelSpec) -> SourceEntry:
    return SourceEntry(
        kind=provenance.kind,
        checkpoint=provenance.checkpoint,
        digest=provenance.digest,
        step=provenance.step,
        builder=spec.source.builder,
        unused_variables=provenance.unused_variables,
    )


def _trust_entry(directory: Path, spec: ModelSpec) -> TrustEntry:
    """
    Describe what the graph that was written consists of.

    :raises UntrustedModelError: it does more than compute, in operations that the spec does not allow.
    """
    allowed = spec.source.allow_operations
    operations = operations_of(directory)
    require_computing(operations, allowed, subject="The export")
    return TrustEntry(code=spec.source.trust_code, allowed_operations=allowed, operations=operations)


def signature_entry(signature: Signature) -> SignatureEntry:
    """Describe one signature for the manifest."""
    return SignatureEntry(
        method_name=signature.method,
        inputs={name: _tensor_entry(tensor) for name, tensor in signature.inputs.items()},
        outputs={name: _tensor_entry(tensor) for name, tensor in signature.outputs.items()},
    )


def _tensor_entry(tensor: Any) -> TensorEntry:
    shape = None if tensor.shape.rank is None else tuple(-1 if d is None else d for d in tensor.shape.as_list())
    return TensorEntry(dtype=tensor.dtype.name, shape=shape)


def _libraries() -> dict[str, str]:
    import tensorflow as tf

    return {"tensorflow": tf.__version__, "numpy": np.__version__, "python": platform.python_version()}
