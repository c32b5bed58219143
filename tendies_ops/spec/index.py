"""The model specs of a folder: those that its index names, or all."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tendies_ops.errors import SpecError
from tendies_ops.spec.load import load_spec
from tendies_ops.spec.model import ModelSpec

#: Read instead of listing the directory, if it is there: then a half-copied spec has no effect before it is named.
INDEX_NAME = "index.txt"
_NAME = re.compile(r"^model_name:[ \t]*[\"']?([A-Za-z0-9_.-]+)", re.MULTILINE)


@dataclass(frozen=True)
class Wanted:
    """The specs of a folder that make DAGs; patterns are those of a shell, for paths below the folder."""

    include: Sequence[str] = ("*",)
    exclude: Sequence[str] = ()
    dag_id: str | None = None  #: only the model of this DAG, without reading the others

    def takes(self, name: str) -> bool:
        """Return True for the path of a wanted spec."""
        return _matches(name, self.include) and not _matches(name, self.exclude)

    def may_make_dag(self, path: Path) -> bool:
        """Return False if the spec is not that of ``dag_id``, as its text shows; it is not parsed for that."""
        if self.dag_id is None:
            return True
        try:
            found = _NAME.findall(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return True  # for load_spec to describe
        return not found or any(name in self.dag_id for name in found)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def load_indexed_specs(
    directory: Path, *, on_problem: Callable[[SpecError], object] | None = None, wanted: Wanted = Wanted()
) -> list[ModelSpec]:
    """
    Read the specs of a directory, in the order of its index or of their names.

    :param on_problem: gets what is wrong with a spec, which is left out then; absent: it is raised.
    :raises SpecError: the directory or a spec cannot be read, or two specs have one ``model_name`` or output folder.
    """
    found = SpecsTogether()
    for path in spec_paths(directory):
        if not wanted.takes(path.relative_to(directory).as_posix()) or not wanted.may_make_dag(path):
            continue
        try:
            found.add(load_spec(path))
        except SpecError as problem:
            if on_problem is None:
                raise
            on_problem(problem)
    return list(found.by_name.values())


def spec_paths(directory: Path) -> list[Path]:
    """
    Return the files that ``index.txt`` names, one path a line, relative to it; without one, each ``*.yaml``.

    :raises SpecError: neither the index nor the directory can be read.
    """
    try:
        lines = (
            (directory / INDEX_NAME).read_text(encoding="utf-8-sig").splitlines()
        )  # editors may begin it with a mark
    except FileNotFoundError:
        return list(_listed(directory))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"The index of model specs {directory / INDEX_NAME} cannot be read ({getattr(error, 'strerror', error)}). "
            "Write the file name of one spec on each line, or remove it to use every *.yaml of the folder."
        ) from None
    names = (line.strip() for line in lines)
    return [directory / name for name in names if name and not name.startswith("#")]


def _listed(directory: Path) -> Iterator[Path]:
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise SpecError(f"The folder of model specs {directory} cannot be listed ({error.strerror}).") from None
    yield from (directory / name for name in names if name.endswith((".yaml", ".yml")) and name[0] != ".")


class SpecConflictError(SpecError):
    """Two specs that cannot be used together; ``location`` leads to the key of the second."""

    def __init__(self, message: str, location: tuple[str, ...]) -> None:
        super().__init__(message)
        self.location = location


@dataclass
class SpecsTogether:
    """Specs that can be used together."""

    by_name: dict[str, ModelSpec] = field(default_factory=dict)
    _batch_dags: set[str] = field(default_factory=set)
    _outputs: dict[str, str] = field(default_factory=dict)  # output folder -> its key and model, for messages
    _above: dict[str, str] = field(default_factory=dict)  # folder above an output -> such an output

    def add(self, spec: ModelSpec) -> None:
        """
        Add a spec.

        :raises SpecConflictError: another has its ``model_name``, one of its DAGs, or an output folder of its batches.
        """
        if spec.model_name in self.by_name:
            raise SpecConflictError(f"There are two specs of model {spec.model_name}. Rename one.", ("model_name",))
        for name, batch in spec.batches_by_name().items():
            at, dag_id = ("batches", name) if name else ("batch",), spec.dag_id("batch", name)
            if dag_id in self._batch_dags:
                raise SpecConflictError(f"There are two batches with the DAG {dag_id}. Rename a model or a batch.", at)
            self._batch_dags.add(dag_id)
            if batch.output:
                self._take(batch.output, (*at, "output"), spec.model_name)
        self.by_name[spec.model_name] = spec

    def _take(self, output: str, location: tuple[str, ...], model_name: str) -> None:
        folder = posixpath.normpath(output.removeprefix("file://"))
        above = list(_folders_above(folder))
        other = next((one for one in (folder, *above) if one in self._outputs), None) or self._above.get(folder)
        owner = f"`{'.'.join(location)}` of {model_name}"
        if other is not None:
            raise SpecConflictError(
                f"The results of two batches would overwrite each other: {owner} is {output}, {self._outputs[other]} "
                f"is {other}. Give each batch an output folder of its own, none inside another.",
                location,
            )
        self._outputs[folder] = owner
        self._above.update(dict.fromkeys(above, folder))


def _folders_above(folder: str) -> Iterator[str]:
    while (above := posixpath.dirname(folder)) != folder and above:
        yield above
        folder = above
