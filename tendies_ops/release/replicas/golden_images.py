"""Golden images of a version: the pictures that a replica is sent, and the answers that it must return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pybase64

from tendies_ops.errors import PublishError
from tendies_ops.spec.manifest import GoldenEntry, Manifest, TensorEntry
from tendies_ops.spec.neutral_picture import neutral_picture
from tendies_ops.spec.parameters import ExtraInput

_SIGNATURE = "serving_default"
_INTEGERS = frozenset({"int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"})
#: dtype -> its neutral value as Model Server reads it from JSON. It takes no half, bfloat16, uint16 or complex.
_ZEROS: dict[str, Any] = {"float32": 0.0, "float64": 0.0, "bool": False, "string": "", **dict.fromkeys(_INTEGERS, 0)}


@dataclass(frozen=True)
class GoldenImage:
    """A picture and the promised answer."""

    name: str
    input: bytes
    promised: Mapping[str, bytes]  #: signature output -> file, or JSON of a tensor
    is_tensor: Mapping[str, bool]
    inputs: Mapping[str, Any] = field(default_factory=dict)  #: the model's further inputs, as JSON: neutral values


def read_golden(version_dir: Path, manifest: Manifest) -> tuple[GoldenImage, ...]:
    """
    Read the golden images of a version.

    :raises PublishError: it has no golden images, they cannot be read, or the model has inputs that cannot be sent.
    """
    if not manifest.golden:
        raise PublishError(
            f"{version_dir} has no golden images, so no server can be proved with it. Export it with `tendies export`."
        )
    inputs = neutral_inputs(manifest)
    try:
        return tuple(_read_entry(version_dir, entry, inputs) for entry in manifest.golden)
    except OSError as error:
        raise PublishError(f"The golden images of {version_dir} cannot be read: {error}.") from error


def neutral_inputs(manifest: Manifest) -> dict[str, Any]:
    """
    Return the default of every input of the model except the picture, or a neutral value, as JSON for one row.

    The exporter has promised its golden images with these values, and wrote them into the warm-up.

    :raises PublishError: the manifest does not describe one, or Model Server's REST API does not accept its type.
    """
    signature = manifest.signatures.get(_SIGNATURE)
    entries = {} if signature is None else signature.inputs
    return {
        name: _neutral_of(manifest, name, one, entries.get(name))
        for name, one in manifest.contract.extra_inputs.items()
    }


def _neutral_of(manifest: Manifest, name: str, one: ExtraInput, entry: TensorEntry | None) -> Any:
    if one.picture is not None:
        return {"b64": pybase64.b64encode(neutral_picture(one.picture)).decode("ascii")}
    return _neutral(manifest, name, entry) if one.default is None else one.default


def _neutral(manifest: Manifest, name: str, entry: TensorEntry | None) -> Any:
    dtype = "" if entry is None else entry.dtype.lower().removeprefix("dt_")
    dtype = {"float": "float32", "double": "float64"}.get(dtype, dtype)
    if entry is None or dtype not in _ZEROS:
        found = "its manifest does not describe it" if entry is None else f"it has dtype {entry.dtype}"
        raise PublishError(
            f"{manifest.model_name} takes a further input `{name}` that cannot be sent through Model "
            f"Server's REST API ({found}), so no replica can prove the version. Nothing was changed."
        )
    return _filled([size if size > 0 else 1 for size in (entry.shape or ())[1:]], _ZEROS[dtype])


def _filled(shape: Sequence[int], value: Any) -> Any:
    return value if not shape else [_filled(shape[1:], value) for _ in range(shape[0])]


def _read_entry(version_dir: Path, entry: GoldenEntry, inputs: Mapping[str, Any]) -> GoldenImage:
    return GoldenImage(
        entry.name,
        (version_dir / entry.input).read_bytes(),
        {output: (version_dir / name).read_bytes() for output, name in entry.outputs.items()},
        {output: name.endswith(".json") for output, name in entry.outputs.items()},
        inputs,
    )
