from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.output import EXIT_DONE, EXIT_FAILED, console, print_json
from tendies_ops.errors import SpecError, TendiesError
from tendies_ops.spec import ModelSpec
from tendies_ops.spec.index import SpecConflictError, SpecsTogether, spec_paths
from tendies_ops.spec.load import SpecFile, SpecProblem, read_spec

_KEY = re.compile(r"\b(source)\.(\w+)\b|\b(golden)\b")


@dataclass
class CheckedSpec:
    """A spec file and all that is wrong with it."""

    path: str
    problems: list[SpecProblem]
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield a paragraph for each problem, as ``file:line: what``, then one for each note."""
        for problem in self.problems:
            place = self.path if problem.line is None else f"{self.path}:{problem.line}"
            yield f"{place}: {problem.message.removesuffix('.')}."
        yield from (f"{self.path}: note: {note}" for note in self.notes)
        if not self.problems:
            yield f"{self.path}: all right"


def check_command(
    specs: Annotated[
        list[Path],
        typer.Argument(metavar="SPEC...", help="Model specs, or folders of model specs."),
    ],
    files: Annotated[
        bool, typer.Option("--files/--no-files", help="Look for the checkpoint, the builder and the golden images.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    Find every mistake in model specs, with file and line. TensorFlow is not needed.

    Exit status: 0 all right, 1 mistakes found, 2 wrong usage.

    Example: tendies check specs/
    """
    checked = _check_all(list(_paths(specs)), files=files)
    ok = not any(one.problems for one in checked)
    if as_json:
        print_json({"ok": ok, "specs": [asdict(one) for one in checked]})
    else:
        for one in checked:
            for line in one.lines():
                console.print(line, markup=False)
    return EXIT_DONE if ok else EXIT_FAILED


def _paths(specs: Sequence[Path]) -> Iterator[Path]:
    for path in specs:
        if path.is_dir():
            yield from spec_paths(path)
        else:
            yield path


def _check_all(paths: Sequence[Path], *, files: bool) -> list[CheckedSpec]:
    checked: list[CheckedSpec] = []
    sound = SpecsTogether()
    for path in paths:
        try:
            found = read_spec(path)
        except SpecError as error:
            checked.append(CheckedSpec(str(path), [SpecProblem(None, str(error))]))
            continue
        spec = found.spec
        if spec is None:
            checked.append(CheckedSpec(str(path), found.problems))
            continue
        problems = [*_conflicts(found, spec, sound), *(_absent_files(found, spec) if files else ())]
        checked.append(CheckedSpec(str(path), problems, tuple(_notes(spec))))
    return checked


def _conflicts(found: SpecFile, spec: ModelSpec, others: SpecsTogether) -> Iterator[SpecProblem]:
    try:
        others.add(spec)
    except SpecConflictError as error:
        yield SpecProblem(found.line_of(error.location), str(error))


def _absent_files(found: SpecFile, spec: ModelSpec) -> Iterator[SpecProblem]:
    from tendies_ops.export.source_checks import check_inputs  # brings NumPy

    try:
        check_inputs(spec)
    except TendiesError as error:
        match = _KEY.search(str(error))
        key = tuple(part for part in match.groups() if part) if match else ("source",)
        yield SpecProblem(found.line_of(key), str(error))


def _notes(spec: ModelSpec) -> Iterator[str]:
    """Print what a release or a batch needs in addition to this spec."""
    if not spec.release.servers:
        yield f"no `release.servers`: those of the connection {spec.airflow.server_conn_id} or of --server are used"
    for name, batch in spec.batches_by_name().items():
        where = f"batches.{name}" if name else "batch"
        absent = [f"`{where}.{key}`" for key in ("input", "output") if getattr(batch, key) is None]
        if absent:
            yield f"no {' and '.join(absent)}: every batch run has to name it"
