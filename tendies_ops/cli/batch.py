"""``tendies batch``."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import typer

from tendies_ops.cli.batch_progress import watch_progress
from tendies_ops.cli.output import EXIT_DONE, EXIT_FAILED, EXIT_SOME_PICTURES_FAILED, console, print_json
from tendies_ops.errors import UsageError
from tendies_ops.inference import BatchOptions, BatchReport, new_run_id, run_batch

_SIZE = re.compile(r"(\d+)[xX](\d+)")


def batch_command(  # noqa: PLR0913 # a parameter an option
    input_: Annotated[str, typer.Argument(metavar="INPUT", help="Folder or fsspec URL of the pictures.")],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="Folder or fsspec URL of the results.")],
    *,
    server: Annotated[list[str], typer.Option(help="REST address of a replica; may be given more than once.")],
    model: Annotated[str, typer.Option(help="The model's name on the server.")],
    version: Annotated[
        int | None, typer.Option(help="Pin this version instead of the newest that is AVAILABLE.")
    ] = None,
    model_base_path: Annotated[
        str | None, typer.Option(help="The watched directory, where it can be seen: digest, fixed size, lease.")
    ] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only what matches this glob; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not what matches this glob; may be repeated.")] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Take names that start with a dot too.")] = False,
    size: Annotated[str | None, typer.Option(metavar="HxW", help="The one size that the model takes.")] = None,
    size_policy: Annotated[
        Literal["fit", "pad", "crop", "tile"], typer.Option(help="How other sizes are brought to it.")
    ] = "fit",
    overlap: Annotated[int | None, typer.Option(help="Of tiles, in pixels; default a quarter of the tile.")] = None,
    restore_size: Annotated[
        bool, typer.Option("--restore-size", help="Bring fit, pad and crop back to the size that was seen.")
    ] = False,
    animated: Annotated[Literal["first", "all"], typer.Option(help="Frames of animated files.")] = "first",
    output_format: Annotated[
        Literal["as_answered", "png", "jpeg", "webp"], typer.Option("--format", help="Of the results.")
    ] = "as_answered",
    quality: Annotated[int, typer.Option(help="Of JPEG and WebP results, 1 to 100.")] = 95,
    no_provenance: Annotated[bool, typer.Option("--no-provenance", help="Write nothing into the results.")] = False,
    max_batch_size: Annotated[int, typer.Option(help="Pictures in a request, at most.")] = 32,
    max_concurrency: Annotated[int, typer.Option(help="Requests at a server at once, at most.")] = 8,
    max_bytes_in_flight: Annotated[int, typer.Option(help="Memory for pictures under way, in MiB.")] = 256,
    max_megapixels: Annotated[float, typer.Option(help="Larger pictures fail before they are decoded.")] = 64.0,
    max_failed: Annotated[
        float | None, typer.Option(help="More failed pictures than this, or a larger share (below 1), end in status 1.")
    ] = None,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Finding no picture is fine.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try what failed before again.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout", help="The longest silence of a server, in seconds.")] = 60.0,
    sick_deadline_s: Annotated[
        float, typer.Option("--sick-deadline", help="Give up when no server has answered for so many seconds.")
    ] = 300.0,
    sample: Annotated[int | None, typer.Option(help="Only the first so many pictures.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    run_id: Annotated[str | None, typer.Option(help="Name of this run's folder below OUTPUT/.tendies/runs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> int:
    """
    Run a folder of pictures through a served model.

    Done again: only what is new or changed, or all when the model or the options changed. Exit status: 0 all done, 1
    failed, 2 wrong usage, 3 finished with some pictures failed.
    """
    options = BatchOptions(
        input=input_,
        output=output,
        model_name=model,
        servers=tuple(server),
        version=version,
        model_base_path=model_base_path,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        include_hidden=hidden,
        size=parse_size(size),
        size_policy=size_policy,
        overlap=overlap,
        restore_size=restore_size,
        animated=animated,
        output_format=output_format,
        output_quality=quality,
        provenance=not no_provenance,
        max_batch_size=max_batch_size,
        max_concurrency=max_concurrency,
        max_bytes_in_flight=max_bytes_in_flight << 20,
        max_megapixels=max_megapixels,
        max_failed=max_failed,
        allow_empty=allow_empty,
        retry_failed=retry_failed,
        timeout_s=timeout_s,
        sick_deadline_s=sick_deadline_s,
        sample=sample,
        dry_run=dry_run,
        run_id=run_id or new_run_id(),
    )
    with watch_progress(quiet=as_json) as on_progress:
        report = run_batch(options, on_progress=on_progress)
    if as_json:
        print_json(report.summary())
    else:
        _print_report(report)
    return exit_status(report)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """``256x384`` is height 256, width 384."""
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--size {text!r} is not a height and a width, such as 256x256.")
    return int(match[1]), int(match[2])


def exit_status(report: BatchReport) -> int:
    """What the shell is told."""
    if not report.ok:
        return EXIT_FAILED
    return EXIT_SOME_PICTURES_FAILED if report.failed else EXIT_DONE


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
    for failure in report.failures[:10]:
        console.print(f"  {failure.input}: {failure.reason}", markup=False)
    if report.failed > 10:
        console.print(f"  ... and {report.failed - 10} more, in the report.")
    for title, key in (("Report", "html"), ("Contact sheet", "contact_sheet")):
        if key in report.paths:
            console.print(f"{title}: {report.paths[key]}", markup=False)
