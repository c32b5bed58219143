"""What every batch job does at its two ends: take each file of a folder, and write its result under the same name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """Every file, in order."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def batches(files: list[Path], size: int) -> Iterator[list[Path]]:
    """Yield the files, this many at a time."""
    for at in range(0, len(files), size):
        yield files[at : at + size]


def write_result(target: Path, name: Path, result: bytes) -> None:
    """Write one result; ``name`` is that of its picture, below the folder it came from."""
    path = (target / name).with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(result)
