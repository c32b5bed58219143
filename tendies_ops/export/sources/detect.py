"""Finding out what kind of source a path is, and opening it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tendies_ops.export.network import Network
from tendies_ops.export.sources.adapted_network import adapted
from tendies_ops.export.sources.checkpoint_files import checkpoint_files, resolve_checkpoint, unchanged
from tendies_ops.export.sources.frozen_graph import open_frozen_graph
from tendies_ops.export.sources.keras_file import open_keras_file
from tendies_ops.export.sources.saved_model import content_files, open_saved_model
from tendies_ops.export.sources.tf1_checkpoint import open_tf1_checkpoint
from tendies_ops.export.sources.tf2_checkpoint import OBJECT_GRAPH_KEY, open_tf2_checkpoint
from tendies_ops.export.sources.variables import open_checkpoint
from tendies_ops.spec import Contract, SourceSpec
from tendies_ops.spec.source import SourceKind

_KERAS_SUFFIXES = {".keras", ".h5", ".hdf5"}
_GRAPH_SUFFIXES = {".pb", ".pbtxt"}
_OPENERS: dict[SourceKind, Callable[[Path, SourceSpec, Contract], Network]] = {
    "tf1_checkpoint": open_tf1_checkpoint,
    "tf2_checkpoint": open_tf2_checkpoint,
    "keras": open_keras_file,
    "frozen_graph": open_frozen_graph,
    "saved_model": open_saved_model,
}


def open_source(source: SourceSpec, contract: Contract) -> Network:
    """
    Open whatever ``source.checkpoint`` is.

    :raises TendiesError: it cannot be opened. :func:`~tendies_ops.export.source_checks.check_inputs` has
        checked that it is there at all.
    """
    path = source.local_checkpoint
    kind = source.kind or detect_kind(path)
    resolved = resolve_checkpoint(path) if kind in ("tf1_checkpoint", "tf2_checkpoint") else path
    with unchanged(_files_of(kind, resolved)):
        return adapted(_OPENERS[kind](resolved, source, contract), contract)


def _files_of(kind: SourceKind, path: Path) -> list[Path]:
    if kind == "saved_model":
        return content_files(path.parent if path.is_file() else path)
    return checkpoint_files(path) if kind in ("tf1_checkpoint", "tf2_checkpoint") else [path]


def detect_kind(path: Path) -> SourceKind:
    """
    Detect the kind from name and content.

    :raises CheckpointError: it is a checkpoint by its name, and cannot be read.
    """
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return "saved_model"
    if path.name in ("saved_model.pb", "saved_model.pbtxt"):
        return "saved_model"
    if path.is_file() and path.suffix.lower() in _KERAS_SUFFIXES:
        return "keras"
    if path.is_file() and path.suffix.lower() in _GRAPH_SUFFIXES:
        return "frozen_graph"
    reader = open_checkpoint(resolve_checkpoint(path))
    return "tf2_checkpoint" if reader.has_tensor(OBJECT_GRAPH_KEY) else "tf1_checkpoint"
