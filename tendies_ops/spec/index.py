"""The list of model specs that have DAGs: ``index.txt`` in the specs directory, one path a line."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tendies_ops.errors import SpecError
from tendies_ops.spec.load import load_spec
from tendies_ops.spec.model import ModelSpec

#: Read instead of listing the directory: what a DAG file finds must depend neither on a half-copied spec nor on the
#: order of a listing, for every other outcome would be another version of every DAG.
INDEX_NAME = "index.txt"


def load_indexed_specs(directory: Path, *, on_problem: Callable[[SpecError], object] | None = None) -> list[ModelSpec]:
    """
    Read the specs that the index in ``directory`` names, in its order; paths in it are relative to it.

    :param on_problem: gets what is wrong with a spec, which is left out then; absent: it is raised.
    :raises SpecError: the index or a spec cannot be read, or two specs have one ``model_name`` or output folder.
    """
    specs: dict[str, ModelSpec] = {}
    for name in read_index(directory / INDEX_NAME):
        with _told_to(on_problem):
            spec = load_spec(directory / name)
            if words := conflict(spec, specs.values()):
                raise SpecError(f"{directory / INDEX_NAME} names {words}")
            specs[spec.model_name] = spec
    return list(specs.values())


@contextlib.contextmanager
def _told_to(on_problem: Callable[[SpecError], object] | None) -> Iterator[None]:
    try:
        yield
    except SpecError as problem:
        if on_problem is None:
            raise
        on_problem(problem)


def conflict(spec: ModelSpec, others: Iterable[ModelSpec]) -> str | None:
    """Return why a spec cannot be used together with others, as "two specs ..."; None if it can."""
    for other in others:
        if spec.model_name == other.model_name:
            return f"two specs of model {spec.model_name}. Rename one."
        mine, theirs = spec.batch.output, other.batch.output
        if mine and theirs and _overlap(mine, theirs):
            return (
                f"two specs whose results would overwrite each other: `batch.output` of {spec.model_name} is {mine}, "
                f"that of {other.model_name} is {theirs}. Give each an output folder of its own, "
                "none inside another."
            )
    return None


def _overlap(one: str, other: str) -> bool:
    first, second = (f"{posixpath.normpath(path.removeprefix('file://'))}/" for path in (one, other))
    return first.startswith(second) or second.startswith(first)


def read_index(path: Path) -> list[str]:
    """
    Return the file names in an index.

    :raises SpecError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()  # some editors begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"The index of model specs {path} cannot be read ({getattr(error, 'strerror', error)}). "
            "Write one spec's file name a line in it."
        ) from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
