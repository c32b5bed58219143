from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from tendies_ops.cli.output import EXIT_DONE, console, print_json
from tendies_ops.errors import UsageError

if TYPE_CHECKING:
    from tendies_ops.model_files import ModelFile
    from tendies_ops.model_files.draft import Trial

_NO_MODEL = "There is no model at {}. Give a model's file or directory, or the prefix of a checkpoint."
_SOURCE_HELP = "A known key of the spec's source, such as builder=model.py:build; once for each."


def init_command(  # noqa: PLR0913, PLR0917 - typer reads the parameters as options
    path: Annotated[Path | None, typer.Argument(help="Folder to make, or a model: file, directory, or prefix.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Spec to write; default: [specs/]NAME.yaml")
    ] = None,
    pictures: Annotated[Path | None, typer.Option(help="Folder of pictures that the model is for.")] = None,
    source: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help=_SOURCE_HELP)] = None,
    choose: Annotated[int | None, typer.Option(help="Take this candidate; default: ask, or the first.", min=1)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a spec that exists.")] = False,
    python: Annotated[str | None, typer.Option(help="Interpreter that has TensorFlow; default: this one.")] = None,
    timeout_s: Annotated[float, typer.Option(help="Seconds after which the trial is stopped.", min=1.0)] = 1800.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the candidates as JSON; do not ask.")] = False,
    compose: Annotated[
        bool, typer.Option("--compose", help="Include a Docker Compose file with Model Server.")
    ] = False,
) -> int:
    """
    Make a working folder (specs, DAG files, models, pictures), or draft the spec of a model.

    Files of a folder that exist remain unchanged. A model is run on pictures under the usual value ranges and colour
    orders; comments in its spec mark what was measured and what is assumed, and a sheet shows the candidates.

    Examples: tendies init styles; tendies init styles/painter.keras --pictures styles/photos
    """
    from tendies_ops.model_files import holds_model

    if path is None or not holds_model(path):
        if any(option is not None for option in (output, pictures, source, choose)):
            raise UsageError(f"{_NO_MODEL.format(path or 'no PATH')} The other options are for the draft of its spec.")
        return _make_folder(path or Path(), compose=compose)
    if compose:
        raise UsageError(f"--compose is for a new folder, and {path} holds a model. Leave it out.")
    say = None if as_json else lambda line: console.print(line, markup=False)
    how = {"python": python, "timeout_s": timeout_s, "on_line": say}
    return _draft(path, output, pictures, _known(source or ()), how, choose=choose, force=force)


def _draft(  # noqa: PLR0913 - the options of the command
    path: Path,
    output: Path | None,
    pictures: Path | None,
    known: dict[str, Any],
    how: dict[str, Any],
    *,
    choose: int | None,
    force: bool,
) -> int:
    from tendies_ops.model_files import inspect_model
    from tendies_ops.model_files.draft import name_of, pictures_in, try_model_file
    from tendies_ops.working_folder import add_model, place_of_spec

    found = inspect_model(path)
    target = output or place_of_spec(Path(), name_of(found.path))
    if target.exists() and not force:
        raise UsageError(f"{target} already exists. Give another --output, or --force to replace it.")
    chosen = pictures_in(pictures) if pictures is not None else []
    with tempfile.TemporaryDirectory() as scratch:
        trial = try_model_file(found, known, chosen, Path(scratch), **how)
        sheet = _write_sheet(trial, target)
    say = how["on_line"]
    for line in _table(trial) if say is not None else ():
        say(line)
    number = _choose(trial, sheet, choose, ask=say is not None and sys.stdin.isatty())
    _write(found, trial, number, target, _header(found, trial, sheet, chosen))
    if add_model(target, name_of(found.path)) and say is not None:
        say(f"Named in {target.parent / 'index.txt'}, so it gets DAGs; pictures go into pictures/{target.stem}/")
    _report(trial, number, target, sheet, as_json=say is None)
    return EXIT_DONE


def _known(given: list[str] | tuple[()]) -> dict[str, Any]:
    known = {}
    for one in given:
        key, separator, value = one.partition("=")
        if not separator:
            raise UsageError(f"--source takes KEY=VALUE, such as builder=model.py:build; found {one!r}.")
        try:
            known[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"--source {key}: {value!r} is not YAML: {' '.join(str(error).split())}.") from error
    if isinstance(known.get("builder"), str) and known["builder"].partition(":")[0].endswith(".py"):
        known["builder"] = str(Path(known["builder"]).absolute())
    return known


def _write_sheet(trial: Trial, target: Path) -> Path:
    from tendies_ops.reports import write_contact_sheet

    pairs = [
        (photo, shown, f"{number}. {proposal.name}")
        for number, proposal in enumerate(trial.proposals, 1)
        for photo, shown in zip(trial.photos, proposal.pictures, strict=True)
    ]
    return write_contact_sheet(pairs, target.with_suffix(".candidates.png"), columns=len(trial.photos), cell_size=160)


def _choose(trial: Trial, sheet: Path, wanted: int | None, *, ask: bool) -> int:
    """Return the index of the proposal to write."""
    last = len(trial.proposals)
    if wanted is None and ask and last > 1:
        console.print(f"Look at {sheet}.", markup=False)
        wanted = typer.prompt(f"Which candidate is right (1 to {last})", default=1, type=int)
    if wanted is not None and not 1 <= wanted <= last:
        raise UsageError(f"--choose {wanted}: there are candidates 1 to {last}.")
    return (wanted or 1) - 1


def _table(trial: Trial) -> list[str]:
    return [f"  {number}. {one.name}: {one.verdict}" for number, one in enumerate(trial.proposals, 1)]


def _write(found: ModelFile, trial: Trial, number: int, target: Path, header: list[str]) -> None:
    from tendies_ops.files import write_bytes_atomically
    from tendies_ops.model_files.spec_text import spec_text

    target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(target, spec_text(found, trial, number, target, header).encode())


def _header(found: ModelFile, trial: Trial, sheet: Path, pictures: list[Path]) -> list[str]:
    """Return the first lines of the spec: what was tried."""
    names = ", ".join(picture.name for picture in pictures)
    what = (
        f"{len(pictures)} pictures ({names})"
        if pictures
        else "pictures that tendies made; --pictures gives more certainty"
    )
    made = (
        f"Drafted by `tendies init` from {found.path.name}, {found.format}. It ran on {what}, under {trial.readings} "
        f"readings of its input. Lines marked `assumed` are yours to check; {sheet.name} shows the candidates:"
    )
    return [made, *_table(trial)]


def _report(trial: Trial, number: int, target: Path, sheet: Path, *, as_json: bool) -> None:
    if as_json:
        candidates = [
            {
                "name": one.name,
                "verdict": one.verdict,
                "marks": dict(one.marks),
                "contract": one.contract.model_dump(mode="json"),
            }
            for one in trial.proposals
        ]
        print_json({"spec": str(target), "sheet": str(sheet), "chosen": number + 1, "candidates": candidates})
        return
    best = trial.proposals[number]
    console.print(f"Wrote candidate {number + 1} ({best.name}) to {target}; {sheet} shows them all.", markup=False)
    for key, mark in best.marks.items():
        console.print(f"  {key}: {mark}", markup=False)
    console.print(f"Next: tendies export {target} --output exports/{target.stem}", markup=False)


def _make_folder(folder: Path, *, compose: bool) -> int:
    from tendies_ops.working_folder import make_folder

    if folder.suffix:
        raise UsageError(_NO_MODEL.format(folder))
    for created in make_folder(folder, compose=compose):
        console.print(f"created {folder / created}", markup=False)
    console.print(f"{folder}/README.md has the next steps.", markup=False)
    return EXIT_DONE
