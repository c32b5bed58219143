"""Keras files: whole models and weights, as ``.keras`` archives or HDF5 files. No Keras; h5py for HDF5."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from tendies_ops.errors import UntrustedModelError
from tendies_ops.export.sources.keras_code import require_no_code
from tendies_ops.model_files.description import ModelFile, Shape, Tensor

_LARGEST_JSON = 64 * 1024 * 1024
_LARGEST_PACKED_WEIGHTS = 256 * 1024 * 1024
_WEIGHTS_ONLY = (
    "source.builder: the Python function that returns the model, of which the file holds the weights alone "
    "(`tendies init PATH --builder FILE.py:FUNCTION`)."
)
_NO_H5PY = "The variables inside are not listed: h5py, which comes with TensorFlow, is not installed here."


def read_keras_archive(path: Path) -> ModelFile:
    """
    Describe a ``.keras`` archive.

    :raises ValueError: its configuration is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        config, metadata = (_json_in(archive, name) for name in ("config.json", "metadata.json"))
        variables, notes = _variables_in(archive)
    version = str(metadata.get("keras_version", "?"))
    return _whole(path, f"a whole Keras {version} model (.keras)", config, (variables, notes), version)


def read_hdf5(path: Path) -> ModelFile:
    """
    Describe an HDF5 file: a whole model, or weights.

    :raises ValueError: its configuration is damaged.
    """
    try:
        import h5py
    except ImportError:
        return ModelFile(path, "an HDF5 file, as Keras writes them (.h5)", "keras", notes=(_NO_H5PY,))
    with h5py.File(path, "r") as file:
        config, version = file.attrs.get("model_config"), _plain(file.attrs.get("keras_version", "?"))
        variables = _variables(file)
    if config is None:
        name = "weights of a Keras model, without the model (.h5)"
        return ModelFile(path, name, "keras", variables=variables, needs=(_WEIGHTS_ONLY,))
    return _whole(path, f"a whole Keras {version} model (.h5)", json.loads(_plain(config)), (variables, []), version)


def _whole(
    path: Path, name: str, config: dict[str, Any], found: tuple[dict[str, Shape], list[str]], version: str
) -> ModelFile:
    variables, notes = found
    inputs, outputs = _ends(config.get("config", {}))
    if version.startswith("2"):
        notes.append(f"It was saved by Keras {version}: where Keras 3 refuses it, `pip install tf_keras` helps.")
    needs = []
    try:
        require_no_code(path, ())
    except UntrustedModelError as error:
        needs.append(f"source.builder, or source.trust_code: {error}")
    return ModelFile(
        path, name, "keras", "", inputs, outputs, variables=variables, notes=tuple(notes), needs=tuple(needs)
    )


def _ends(config: Any) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Read inputs and outputs off a functional or a sequential configuration; a subclassed model has none."""
    layers = config.get("layers", []) if isinstance(config, dict) else config if isinstance(config, list) else []
    layers = [layer for layer in layers if isinstance(layer, dict) and isinstance(layer.get("config"), dict)]
    inputs = [tensor for layer in layers if (tensor := _input_of(layer)) is not None]
    if not layers:
        return (), ()
    named = _names_of(config.get("output_layers")) if isinstance(config, dict) else []
    last = [layer for layer in layers if layer["config"].get("name") in named] or layers[-1:]
    return tuple(inputs[: len(layers)]), tuple(map(_output_of, last))


def _input_of(layer: dict[str, Any]) -> Tensor | None:
    config = layer["config"]
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    if not isinstance(shape, list):
        return None
    dtype = config.get("dtype", "float32")
    return Tensor(
        str(config.get("name")), dtype if isinstance(dtype, str) else "float32", tuple(shape), "an input layer"
    )


def _output_of(layer: dict[str, Any]) -> Tensor:
    config = layer["config"]
    width = config.get("filters", config.get("units"))
    shape: Shape | None = None
    if isinstance(width, int):
        shape = (None, width) if "units" in config else (None, None, None, width)
    ending = f" with activation {config['activation']}" if isinstance(config.get("activation"), str) else ""
    return Tensor(str(config.get("name")), "float32", shape, f"the last layer, a {layer.get('class_name')}{ending}")


def _names_of(layers: Any) -> list[str]:
    """Read `["a", 0, 0]`, and a list of such."""
    if isinstance(layers, list) and layers and isinstance(layers[0], str):
        return [layers[0]]
    return [one[0] for one in layers if isinstance(one, list) and one] if isinstance(layers, list) else []


def _json_in(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    info = archive.getinfo(name)
    if info.file_size > _LARGEST_JSON:
        raise ValueError(f"its {name} is larger than 64 MiB")
    with archive.open(info) as stream:
        found = json.loads(stream.read(_LARGEST_JSON))
    if not isinstance(found, dict):
        raise ValueError(f"its {name} is not a mapping")  # noqa: TRY004 - the file is wrong, not a caller's type
    return found


def _variables_in(archive: zipfile.ZipFile) -> tuple[dict[str, Shape], list[str]]:
    info = next((one for one in archive.infolist() if one.filename == "model.weights.h5"), None)
    if info is None:
        return {}, ["It has no model.weights.h5."]
    if info.compress_type != zipfile.ZIP_STORED and info.file_size > _LARGEST_PACKED_WEIGHTS:
        return {}, ["The variables inside are not listed: they are compressed, and more than 256 MiB."]
    try:
        import h5py
    except ImportError:
        return {}, [_NO_H5PY]
    with archive.open(info) as stream, h5py.File(stream, "r") as file:
        return _variables(file), []


def _variables(file: Any) -> dict[str, Shape]:
    """List the arrays. ``visititems`` does not follow links to other files."""
    found: dict[str, Shape] = {}

    def note(name: str, item: Any) -> None:
        if hasattr(item, "shape") and not name.startswith("optimizer"):
            found[name] = tuple(item.shape)

    file.visititems(note)
    return found


def _plain(text: Any) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
