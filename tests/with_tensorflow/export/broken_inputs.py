"""Inputs that cannot be exported, by name: each makes one, and says words that its error must contain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from tests.with_tensorflow.export.small_sources import BUILDERS, copy_of

#: A spec, and words that its error must contain.
Broken: TypeAlias = tuple[dict[str, Any], str]
Case: TypeAlias = Callable[[Path, Path], Broken]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def tf1(checkpoint: Path, builder: str = "graph", **source: Any) -> dict[str, Any]:
    source = {"checkpoint": str(checkpoint), "builder": f"{BUILDERS}:{builder}", **source}
    return {"model_name": "broken", "source": source, "contract": {"output": {"range": {"low": -1, "high": 1}}}}


def tf2(small: Path, builder: str = "model", **source: Any) -> dict[str, Any]:
    return tf1(small / "tf2", builder, **source)


def damaged(small: Path, tmp: Path, name: str, damage: Callable[[Path], object]) -> Path:
    folder = copy_of(small / "tf1", tmp / "tf1")
    damage(folder / name)
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
