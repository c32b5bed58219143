"""The arguments of ``tendies release``; a setting that is absent has the spec's value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from tendies_ops.cli.setting_options import hidden_parameter, option_named, option_parameters
from tendies_ops.errors import UsageError
from tendies_ops.spec import LoginSettings, ModelSpec, ReleaseSettings, ReleaseSpec, load_spec

RELEASE_SETTINGS = (
    *option_parameters(ReleaseSettings),
    hidden_parameter("timeout_s", ReleaseSettings, "available_timeout_s"),
)
ROLLBACK_SETTINGS = (
    *option_parameters(
        ReleaseSettings,
        only=(
            *LoginSettings.model_fields,
            "restore_timeout_s",
            "unreachable_grace_s",
            "tolerance",
            "model_config_file",
        ),
    ),
    hidden_parameter("timeout_s", ReleaseSettings, "restore_timeout_s"),
)


@dataclass(frozen=True, kw_only=True)
class ReleaseArguments:
    """The arguments that only the command line has; ``given`` are the settings."""

    spec_or_dir: Annotated[
        Path, Argument(metavar="SPEC_OR_DIR", help="Model spec (it is exported first) or SavedModel directory.")
    ]
    model_base_path: Annotated[
        Path | None, Option(help="The directory that Model Server watches; absent: the spec's.")
    ] = None
    server: Annotated[list[str] | None, Option(help="REST base URL of a replica; once for each.")] = None
    approved_by: Annotated[str, Option(help="Who has reviewed the pictures, if the spec's gate requires a review.")] = (
        ""
    )
    rehearse: Annotated[
        bool,
        Option(
            "--rehearse/--no-rehearse",
            "--rehearsal/--no-rehearsal",
            help="Serve it alone first, in a process of its own, and prove it there (needs TensorFlow).",
        ),
    ] = True
    allow_operation: Annotated[
        list[str] | None,
        Option(help="Operation that the graph may have although it does more than compute; besides the spec's."),
    ] = None
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False
    given: Mapping[str, Any] = field(default_factory=dict)

    def spec(self) -> ModelSpec | None:
        """
        Return the model spec; None: a SavedModel directory was given.

        :raises UsageError: it is neither.
        """
        if self.spec_or_dir.is_dir():
            return None
        if self.spec_or_dir.suffix in {".yaml", ".yml"}:
            return load_spec(self.spec_or_dir)
        raise UsageError(f"{self.spec_or_dir} is neither a SavedModel directory nor a model spec (a .yaml file).")

    def options(self, of_spec: ReleaseSpec) -> ReleaseSpec:
        """Return the spec's terms with the values of the command line."""
        places = {"model_base_path": self.model_base_path, "servers": tuple(self.server) if self.server else None}
        said = {name: value for name, value in places.items() if value is not None}
        return with_said(of_spec, {**said, **self.given})


def with_said(options: ReleaseSpec, said: Mapping[str, Any]) -> ReleaseSpec:
    """
    Return the terms with the values of the command line, validated against the same limits as a spec.

    :raises UsageError: a value is beyond them; names the option.
    """
    with option_named():
        return options.changed(said)
