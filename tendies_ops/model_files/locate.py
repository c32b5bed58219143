"""Finding the model in a directory."""

from __future__ import annotations

from pathlib import Path

_NAMES = {"saved_model.pb", "saved_model.pbtxt", "model.json", "checkpoint"}
_CHECKPOINTS = {".index", ".meta", ".ckpt"}
_WHOLE = {".keras", ".h5", ".hdf5", ".pb", ".pbtxt", ".tflite", ".onnx", ".pt", ".pth", ".safetensors", ".mlmodel"}


def holds_model(path: Path) -> bool:
    """Return True for a file, for the prefix of a checkpoint, and for a directory with a model's file in it."""
    if not path.is_dir():
        return path.is_file() or Path(f"{path}.index").is_file()
    suffixes = _CHECKPOINTS | _WHOLE
    own = any(file.name in _NAMES or file.suffix.lower() in suffixes for file in path.iterdir())
    return own or newest_version(path) is not None


def whole_models(directory: Path) -> list[Path]:
    """Return the files of a directory that are a model each, by their names."""
    return [file for file in sorted(directory.iterdir()) if file.suffix.lower() in _WHOLE]


def newest_version(directory: Path) -> Path | None:
    """Return the SavedModel of the highest version below a model's base path."""
    versions = [path for path in directory.iterdir() if path.name.isdecimal() and (path / "saved_model.pb").is_file()]
    return max(versions, key=lambda path: int(path.name), default=None)
