"""The list of model specs that have DAGs: ``index.txt`` in the specs directory, one path a line."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.errors import SpecError
from tendies_ops.spec.load import load_spec
from tendies_ops.spec.model import ModelSpec

#: Read instead of listing the directory: what a DAG file finds must depend neither on a half-copied spec nor on the
#: order of a listing, for every other outcome would be another version of every DAG.
INDEX_NAME = "index.txt"


def load_indexed_specs(directory: Path) -> list[ModelSpec]:
    """
    Read the specs that the index in ``directory`` names, in its order; paths in it are relative to it.

    :raises SpecError: the index or a spec cannot be read, or two specs have one ``model_name``.
    """
    specs: dict[str, ModelSpec] = {}
    for name in _read_index(directory / INDEX_NAME):
        spec = load_spec(directory / name)
        if spec.model_name in specs:
            raise SpecError(f"{directory / INDEX_NAME} names two specs of model {spec.model_name}. Rename one.")
        specs[spec.model_name] = spec
    return list(specs.values())


def _read_index(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SpecError(
            f"The index of model specs {path} cannot be read ({error.strerror}). "
            "Write one spec's file name a line in it."
        ) from None
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
