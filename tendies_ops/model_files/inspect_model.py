"""Recognising the format of a path, and reading it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tendies_ops.errors import CheckpointError, CheckpointMissingError, UsageError
from tendies_ops.export.sources.checkpoint_files import resolve_checkpoint
from tendies_ops.export.sources.foreign_formats import recognise_foreign
from tendies_ops.model_files.archives import content_of
from tendies_ops.model_files.checkpoint_index import is_table
from tendies_ops.model_files.description import ModelFile
from tendies_ops.model_files.keras_files import read_hdf5, read_keras_archive
from tendies_ops.model_files.locate import newest_version, whole_models
from tendies_ops.model_files.tensorflow_files import read_checkpoint, read_graph_file, read_saved_model

_HDF5 = b"\x89HDF\r\n\x1a\n"
_GRAPHS = (".pb", ".pbtxt", ".meta")


def inspect_model(path: Path) -> ModelFile:
    """
    Describe the model at ``path``: a file, a directory, or the prefix of a checkpoint.

    Nothing of it is run, and TensorFlow is not imported.

    :raises UsageError: there is nothing at that path, or nothing that is known as a model.
    """
    foreign = recognise_foreign(path)
    if foreign is not None:
        inside = content_of(path) if path.is_file() and foreign.name == "an archive" else None
        return ModelFile(path, f"an archive that holds {inside}" if inside else foreign.name, advice=foreign.advice)
    try:
        return _read(path)
    except (ValueError, zipfile.BadZipFile, KeyError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(
            f"{path} begins like a model and cannot be read to its end: {reason}. Copy it again."
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error


def _read(path: Path) -> ModelFile:
    if path.is_dir():
        return _read_directory(path)
    if not path.is_file():
        return _read_checkpoint(path)
    with path.open("rb") as stream:
        head = stream.read(len(_HDF5))
    if zipfile.is_zipfile(path):
        return read_keras_archive(path)
    if head == _HDF5:
        return read_hdf5(path)
    if path.name in ("saved_model.pb", "saved_model.pbtxt", "checkpoint"):  # the last names the latest of its folder
        return _read_directory(path.parent)
    if path.suffix in _GRAPHS and not Path(f"{path.with_suffix('')}.index").is_file():
        return read_graph_file(path)
    if path.suffix in (".index", ".meta", ".data") or ".data-" in path.name or is_table(path):
        return _read_checkpoint(path)
    shown = head[:8].hex(" ") or "nothing"
    raise UsageError(f"{path} is not a model of any format that tendies knows (its first bytes: {shown}).")


def _read_directory(directory: Path) -> ModelFile:
    if (directory / "saved_model.pb").is_file() or (directory / "saved_model.pbtxt").is_file():
        return read_saved_model(directory)
    version = newest_version(directory)
    if version is not None:
        return read_saved_model(version)
    try:
        return _read_checkpoint(directory)
    except UsageError:
        whole = whole_models(directory)
        if len(whole) == 1:
            return inspect_model(whole[0])
        if not whole:
            raise
        names = ", ".join(file.name for file in whole[:8])
        raise UsageError(f"{directory} holds several models: {names}. Give the path of one.") from None


def _read_checkpoint(path: Path) -> ModelFile:
    try:
        return read_checkpoint(resolve_checkpoint(path))
    except (CheckpointMissingError, CheckpointError) as error:
        raise UsageError(str(error)) from error
