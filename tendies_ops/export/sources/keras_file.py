"""Keras files: ``.keras``, and ``.h5`` of Keras 2 and 3."""

from __future__ import annotations

import importlib.util
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tendies_ops.errors import CheckpointError, ExportError, SpecError
from tendies_ops.export.network import Provenance
from tendies_ops.export.sources.builder import call_builder, describe_error, load_builder
from tendies_ops.export.sources.checkpoint_files import digest_of_files
from tendies_ops.export.sources.keras_code import require_no_code
from tendies_ops.export.sources.model_network import ModelNetwork
from tendies_ops.export.sources.tf2_checkpoint import build_model, inference_call
from tendies_ops.export.sources.variables import require_finite
from tendies_ops.spec import Contract, SourceSpec


def open_keras_file(path: Path, source: SourceSpec, contract: Contract) -> ModelNetwork:
    """
    Load a whole model, or weights into the builder's model.

    :raises TendiesError: the file is damaged, holds only weights and there is no builder, or Keras refuses it.
    """
    digest = digest_of_files([path])
    model = _load_weights(path, source, contract) if _holds_only_weights(path) else _load_model(path, source, contract)
    _require_finite(model, path)
    return ModelNetwork(
        model,
        inference_call(model),
        contract=contract,
        provenance=Provenance("keras", str(path), digest),
        source=source,
    )


def _holds_only_weights(path: Path) -> bool:
    if zipfile.is_zipfile(path):
        return False
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return "model_config" not in file.attrs
    except OSError as error:
        raise CheckpointError(
            f"{path} is neither a .keras archive nor an HDF5 file ({error}). It is damaged or of another kind."
        ) from error


def _load_weights(path: Path, source: SourceSpec, contract: Contract) -> Any:
    if source.builder is None:
        raise SpecError(
            f"{path} holds weights and no architecture (it was made by save_weights). "
            "Give source.builder: a Python function that returns the Keras model."
        )
    if not source.trust_code:
        require_no_code(path, ())
    model = build_model(source, contract)
    try:
        model.load_weights(str(path))
    except Exception as error:
        raise CheckpointError(f"The weights {path} do not fit the builder's model: {describe_error(error)}.") from error
    return model


def _load_model(path: Path, source: SourceSpec, contract: Contract) -> Any:
    import keras

    custom = None
    if source.builder is not None:
        made = call_builder(source.builder, load_builder(source.builder), **source.builder_arguments)
        if not isinstance(made, Mapping):  # the model itself: the file's weights go into it
            return _load_weights(path, source, contract)
        custom = dict(made)
    if not source.trust_code:
        require_no_code(path, _names_of_builder(custom))
    try:
        return keras.saving.load_model(path, compile=False, custom_objects=custom, safe_mode=not source.trust_code)
    except Exception as error:
        version = _version_of_writer(path)
        if version.startswith("2") or not zipfile.is_zipfile(path):
            return _load_with_old_keras(path, version, custom, error, safe_mode=not source.trust_code)
        raise ExportError(
            f"Keras {keras.__version__} cannot load {path}: {describe_error(error)}. If it has layers of your own, "
            "give source.builder: a function that returns a dict of their names and classes, or the whole model."
        ) from error


def _names_of_builder(custom: dict[str, Any] | None) -> set[str]:
    """Return the names of the builder's classes and functions: those in its dict, and those that it registered."""
    import keras

    return set() if custom is None else {*custom, *keras.saving.get_custom_objects()}


def _version_of_writer(path: Path) -> str:
    """Read the version of Keras that saved a whole model; ``?`` if the file has none."""
    import h5py

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("metadata.json")).get("keras_version", "?"))
        with h5py.File(path, "r") as file:
            found = file.attrs.get("keras_version", "?")
            return found.decode() if isinstance(found, bytes) else str(found)
    except (OSError, KeyError, ValueError, AttributeError):
        return "?"


def _load_with_old_keras(
    path: Path, version: str, custom: dict[str, Any] | None, refusal: Exception, *, safe_mode: bool
) -> Any:
    if importlib.util.find_spec("tf_keras") is None:
        raise ExportError(
            f"Keras 3 refuses {path}: {describe_error(refusal)}. It was written by Keras 2. "
            "Install the extra `keras2` where the export runs: pip install 'airflow-provider-tendies[keras2]'."
        ) from refusal
    import tf_keras

    try:
        return tf_keras.models.load_model(path, compile=False, custom_objects=custom, safe_mode=safe_mode)
    except Exception as error:
        raise ExportError(
            f"{path} is a file of Keras 2 (keras_version {version}), and neither Keras 3 nor tf_keras "
            f"{tf_keras.__version__} loads it. Save it again with the Keras that wrote it, as .h5 or as a SavedModel; "
            "or give source.builder: a function that returns the model, which then gets the file's weights. "
            f"Keras 3: {describe_error(refusal)}; tf_keras: {describe_error(error)}."
        ) from error


def _require_finite(model: Any, path: Path) -> None:
    import numpy as np

    for variable in model.weights:
        require_finite(getattr(variable, "path", variable.name), np.asarray(variable), path)
