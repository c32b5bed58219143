"""``tendies batch``: its arguments are those of one run, and an option for each setting."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from tendies_ops.cli.arguments import takes
from tendies_ops.cli.batch_progress import watch_progress
from tendies_ops.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_SOME_PICTURES_FAILED, console, error_console, print_json
from tendies_ops.cli.setting_options import hidden_parameter, option_named, option_parameters
from tendies_ops.credentials import credentials_of_environment
from tendies_ops.errors import UsageError
from tendies_ops.inference import BatchOptions, BatchReport, describe_failures, new_run_id, no_note, run_batch
from tendies_ops.inference.several_runs.fan_out import read_combinations, run_fan_out
from tendies_ops.spec import BatchSettings

_SEVERITY = (EXIT_DONE, EXIT_SOME_PICTURES_FAILED, EXIT_FAILED)
#: Short and earlier spellings that mean the same.
_OLD_NAMES = {
    "param": "parameters",
    "hidden": "include_hidden",
    "format": "output_format",
    "quality": "output_quality",
    "timeout": "timeout_s",
    "sick_deadline": "sick_deadline_s",
}


def _refuse_mib_named_bytes(value: float | None) -> None:
    if value is not None:
        raise UsageError(
            "--max-bytes-in-flight took MiB and not bytes, and is gone. Use --max-mib-in-flight, which takes MiB."
        )


_SETTINGS = (
    *option_parameters(BatchSettings),
    *(hidden_parameter(old, BatchSettings, new) for old, new in _OLD_NAMES.items()),
)


@dataclass(frozen=True, kw_only=True)
class BatchArguments:
    """The arguments that only the command line has; ``given`` are the settings."""

    input: Annotated[str, Argument(metavar="INPUT", help="Folder or fsspec URL of the pictures.")]
    output: Annotated[str, Argument(metavar="OUTPUT", help="Folder or fsspec URL of the results.")]
    server: Annotated[list[str], Option(help="REST address of a replica; may be given more than once.")]
    model: Annotated[str, Option(help="The model's name on the server.")]
    model_base_path: Annotated[
        str | None, Option(help="The watched directory, where it can be seen: digest, fixed size, labels, lease.")
    ] = None
    dry_run: Annotated[bool, Option("--dry-run", help="Report what would be done, and do nothing.")] = False
    fan_out: Annotated[
        list[str] | None,
        Option(
            metavar="NAME=FIRST..LAST",
            help="Do every picture once for each of these values (or NAME=VALUE,VALUE), in a folder each; may be given "
            "more than once, for every combination.",
        ),
    ] = None
    run_id: Annotated[str | None, Option(help="Name of this run's folder below OUTPUT/.tendies/runs.")] = None
    as_json: Annotated[bool, Option("--json", help="Print the report as JSON.")] = False
    max_bytes_in_flight: Annotated[float | None, Option(hidden=True, callback=_refuse_mib_named_bytes)] = None
    given: Mapping[str, Any] = field(default_factory=dict)

    def options(self) -> BatchOptions:
        """
        Build the options of the run.

        :raises UsageError: a value makes no sense.
        """
        with option_named():
            settings = BatchSettings.model_validate(self.given)
        return BatchOptions(
            **settings.given(),
            input=self.input,
            output=self.output,
            servers=tuple(self.server),
            model_name=self.model,
            model_base_path=self.model_base_path,
            dry_run=self.dry_run,
            run_id=self.run_id or new_run_id(),
            credentials=credentials_of_environment(),
        )


@takes(BatchArguments, _SETTINGS)
def batch_command(arguments: BatchArguments) -> int:
    """
    Run a folder of pictures through a served model.

    Processes only new or changed pictures; all of them if the model or options changed. Exit status: 0 all pictures
    done, 3 some failed but no more than --max-failed allows, 1 more failed than that or the run could not go on, 2
    wrong usage.

    Example: tendies batch --server http://localhost:8501 --model brush_strokes photos painted
    """
    options, combinations = arguments.options(), read_combinations(arguments.fan_out or ())
    run = functools.partial(_run, as_json=arguments.as_json)
    if not arguments.fan_out:
        report = run(options)
        if arguments.as_json:
            print_json(report.summary())
        return exit_status(report)
    reports = run_fan_out(options, combinations, run)
    if arguments.as_json:
        print_json({folder: report.summary() for folder, report in reports.items()})
    return max(map(exit_status, reports.values()), key=_SEVERITY.index)


def _run(options: BatchOptions, *, as_json: bool) -> BatchReport:
    with watch_progress(quiet=as_json) as on_progress:
        report = run_batch(options, on_progress=on_progress, on_note=no_note if as_json else _print_note)
    if not as_json:
        _print_report(report)
    return report


def _print_note(words: str) -> None:
    error_console.print(words, markup=False)


def exit_status(report: BatchReport) -> int:
    """Return 1 if ``ok`` is false, else 3 if some pictures failed, else 0."""
    if report.ok is False:
        return EXIT_FAILED
    return EXIT_SOME_PICTURES_FAILED if report.failed else EXIT_DONE


def _printable(name: str) -> str:
    """Write out the bytes of a name that are not UTF-8, which no terminal can print."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _print_report(report: BatchReport) -> None:
    name = f"{report.model_name} version {report.version}"
    if report.dry_run:
        time_needed = "" if report.estimate_s is None else f", in about {report.estimate_s:.0f} s"
        console.print(f"{name} would do {report.to_do} pictures{time_needed}, and skip {report.skipped}.", markup=False)
        return
    console.print(
        f"{name}: {report.done} done, {report.skipped} skipped, {report.failed} failed of {report.total} pictures "
        f"in {report.elapsed_s:.1f} s ({report.images_per_second:.1f} a second).",
        markup=False,
    )
    if report.ok is False:
        console.print(f"The run failed: {describe_failures(report.summary())}", markup=False)
    _print_pictures(report)
    for title, key in (("Report", "html"), ("Contact sheet", "contact_sheet"), ("Scores", "scores")):
        if key in report.paths:
            console.print(f"{title}: {report.paths[key]}", markup=False)


def _print_pictures(report: BatchReport) -> None:
    """Name the first pictures that failed, and the first whose results have a note."""
    for failure in report.failures[:10]:
        console.print(f"  {_printable(failure.input)}: {failure.reason}", markup=False)
    if report.failed > 10:
        console.print(f"  ... and {report.failed - 10} more, in the report.")
    for note in report.notes:
        console.print(f"  {_printable(note)}", markup=False)
    if report.noted > len(report.notes):
        console.print(f"  ... and {report.noted - len(report.notes)} more notes, in the ledger.")
