"""The arguments of ``tendies batch``: those of one run, and an option for each setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from typer import Argument, Option

from tendies_ops.cli.setting_options import hidden_parameter, option_named, option_parameters
from tendies_ops.credentials import credentials_of_environment
from tendies_ops.errors import UsageError
from tendies_ops.inference import BatchOptions, new_run_id
from tendies_ops.spec import BatchSettings

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


SETTINGS = (
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
