"""Finding the model in a directory."""

from __future__ import annotations

from pathlib import Path

_NAMES = {"saved_model.pb", "saved_model.pbtxt", "model.json", "checkpoint"}
_SUFFIXES = {".index", ".meta", ".ckpt", ".keras", ".h5", ".hdf5", ".pb", ".pbtxt"}


def holds_model(path: Path) -> bool:
    """Return True for a file, for the prefix of a checkpoint, and for a directory with a model's file in it."""
    if path.is_dir():
        return any(file.name in _NAMES or file.suffix.lower() in _SUFFIXES for file in path.iterdir())
    return path.is_file() or Path(f"{path}.index").is_file()
