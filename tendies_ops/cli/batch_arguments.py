"""The arguments of ``tendies batch``: each belongs to one field of the options of a batch run."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from typer import Argument, Option

from tendies_ops.errors import UsageError
from tendies_ops.inference import BatchOptions, new_run_id

_SIZE = re.compile(r"(\d+)[xX](\d+)")
_BYTES_PER_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BatchArguments:
    """What the command line says; where a field has the name and form of an option, it is that option."""

    input: Annotated[str, Argument(metavar="INPUT", help="Folder or fsspec URL of the pictures.")]
    output: Annotated[str, Argument(metavar="OUTPUT", help="Folder or fsspec URL of the results.")]
    server: Annotated[list[str], Option(help="REST address of a replica; may be given more than once.")]
    model: Annotated[str, Option(help="The model's name on the server.")]
    version: Annotated[
        str | None,
        Option(
            metavar="NUMBER|LABEL|newest",
            help="Use this version, the one that a label names, or the newest that is AVAILABLE, proved or not. "
            "Default: the version in service.",
        ),
    ] = None
    on_version_gone: Annotated[
        Literal["stop", "newest"], Option(help="When the version goes away: stop, or start over with the newest one.")
    ] = "stop"
    model_base_path: Annotated[
        str | None, Option(help="The watched directory, where it can be seen: digest, fixed size, labels, lease.")
    ] = None
    include: Annotated[list[str] | None, Option(help="Only what matches this glob; may be repeated.")] = None
    exclude: Annotated[list[str] | None, Option(help="Not what matches this glob; may be repeated.")] = None
    include_hidden: Annotated[bool, Option("--hidden", help="Take names that start with a dot too.")] = False
    size: Annotated[str | None, Option(metavar="HxW", help="The one size that the model takes.")] = None
    size_policy: Annotated[Literal["fit", "pad", "crop", "tile"], Option(help="How other sizes are brought to it.")] = (
        "fit"
    )
    overlap: Annotated[int | None, Option(help="Of tiles, in pixels; default a quarter of the tile.")] = None
    restore_size: Annotated[
        bool, Option("--restore-size", help="Bring fit, pad and crop back to the size that was seen.")
    ] = False
    class_pixels: Annotated[
        bool, Option("--class-pixels", help="The model's pictures are numbers of classes: never mix them.")
    ] = False
    min_score: Annotated[float, Option(help="Detections below it are not drawn.")] = 0.5
    animated: Annotated[Literal["first", "all"], Option(help="Frames of animated files.")] = "first"
    output_format: Annotated[
        Literal["as_answered", "png", "jpeg", "webp"], Option("--format", help="Of the results.")
    ] = "as_answered"
    output_quality: Annotated[int, Option("--quality", help="Of JPEG and WebP results, 1 to 100.")] = 95
    no_provenance: Annotated[bool, Option("--no-provenance", help="Write nothing into the results.")] = False
    max_batch_size: Annotated[int, Option(help="Pictures in a request, at most.")] = 32
    max_concurrency: Annotated[int, Option(help="Requests at a server at once, at most.")] = 8
    max_mib_in_flight: Annotated[
        int, Option("--max-bytes-in-flight", help="Memory for pictures under way, in MiB.")
    ] = 256
    max_megapixels: Annotated[float, Option(help="Larger pictures fail before they are decoded.")] = 64.0
    max_failed: Annotated[
        float | None,
        Option(help="More failures than this, or a larger share (below 1), fail the run; default a tenth, at least 1."),
    ] = None
    allow_empty: Annotated[bool, Option("--allow-empty", help="Finding no picture is fine.")] = False
    retry_failed: Annotated[bool, Option("--retry-failed", help="Try what failed before again.")] = False
    take_over: Annotated[
        bool, Option("--take-over", help="Replace results of another model or input folder that are in OUTPUT.")
    ] = False
    timeout_s: Annotated[float, Option("--timeout", help="The longest silence of a server, in seconds.")] = 60.0
    sick_deadline_s: Annotated[
        float, Option("--sick-deadline", help="Give up when no server has answered for so many seconds.")
    ] = 300.0
    sample: Annotated[int | None, Option(help="Only so many pictures, spread over the folder.")] = None
    dry_run: Annotated[bool, Option("--dry-run", help="Say what would be done.")] = False
    run_id: Annotated[str | None, Option(help="Name of this run's folder below OUTPUT/.tendies/runs.")] = None
    as_json: Annotated[bool, Option("--json", help="The report as JSON on stdout.")] = False

    def options(self) -> BatchOptions:
        """
        What the core is told.

        :raises UsageError: a value makes no sense.
        """
        known = {field.name for field in dataclasses.fields(BatchOptions)}
        same = {name: value for name, value in vars(self).items() if name in known}
        converted = {
            "model_name": self.model,
            "servers": tuple(self.server),
            "include": tuple(self.include or ()),
            "exclude": tuple(self.exclude or ()),
            "size": parse_size(self.size),
            "provenance": not self.no_provenance,
            "max_bytes_in_flight": self.max_mib_in_flight * _BYTES_PER_MIB,
            "run_id": self.run_id or new_run_id(),
        }
        return BatchOptions(**{**same, **converted})


def parse_size(text: str | None) -> tuple[int, int] | None:
    """
    ``256x384`` is height 256, width 384.

    :raises UsageError: it is something else.
    """
    if text is None:
        return None
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--size {text!r} is not a height and a width, such as 256x256.")
    return int(match[1]), int(match[2])
