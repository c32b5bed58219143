"""The arguments of ``tendies release``: what is absent is as the spec says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationError
from typer import Argument, Option

from tendies_ops.errors import UsageError
from tendies_ops.spec import ModelSpec, ReleaseSpec, load_spec

#: Where an option is called otherwise than the spec's key.
_OPTION_NAMES = {"available_timeout_s": "--timeout-s", "restore_timeout_s": "--timeout-s"}


@dataclass(frozen=True, kw_only=True)
class ReleaseArguments:
    """What the command line says."""

    spec_or_dir: Annotated[
        Path, Argument(metavar="SPEC_OR_DIR", help="Model spec (it is exported first) or SavedModel directory.")
    ]
    model_base_path: Annotated[
        Path | None, Option(help="The directory that Model Server watches; absent: the spec's.")
    ] = None
    server: Annotated[list[str] | None, Option(help="REST base URL of a replica; once for each.")] = None
    timeout_s: Annotated[
        float | None, Option(help="From the rename to AVAILABLE on every replica; absent: the spec's, or 180.")
    ] = None
    model_config_file: Annotated[
        Path | None, Option(help="Swap by the labels in this file, which the servers poll; absent: the spec's.")
    ] = None
    keep_versions: Annotated[int | None, Option(min=1, help="How many versions to keep; absent: the spec's, or 5.")] = (
        None
    )
    review: Annotated[bool, Option("--review", help="A person looks at the pictures first.")] = False
    approved_by: Annotated[
        str, Option(help="Who has looked at the pictures, where the spec's gate asks for a review.")
    ] = ""
    rehearsal: Annotated[
        bool, Option(help="Serve it alone first, in a process of its own, and prove it there (needs TensorFlow).")
    ] = True
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False

    def spec(self) -> ModelSpec | None:
        """
        The model spec; None: a SavedModel directory was given.

        :raises UsageError: it is neither.
        """
        if self.spec_or_dir.is_dir():
            return None
        if self.spec_or_dir.suffix in {".yaml", ".yml"}:
            return load_spec(self.spec_or_dir)
        raise UsageError(f"{self.spec_or_dir} is neither a SavedModel directory nor a model spec (a .yaml file).")

    def options(self, of_spec: ReleaseSpec) -> ReleaseSpec:
        """The spec's options with what the command line says."""
        said = {
            "model_base_path": self.model_base_path,
            "servers": tuple(self.server) if self.server else None,
            "available_timeout_s": self.timeout_s,
            "model_config_file": self.model_config_file,
            "keep_versions": self.keep_versions,
            "gate": of_spec.gate.model_copy(update={"review": True}) if self.review else None,
        }
        return with_said(of_spec, {name: value for name, value in said.items() if value is not None})


def with_said(options: ReleaseSpec, said: Mapping[str, Any]) -> ReleaseSpec:
    """
    The options with what the command line says, held against the same limits as a spec.

    :raises UsageError: a value is beyond them; names the option.
    """
    try:
        return ReleaseSpec.model_validate({**dict(options), **said})
    except ValidationError as error:
        found = error.errors()[0]
        option = _OPTION_NAMES.get(str(found["loc"][0]), f"--{found['loc'][0]}".replace("_", "-"))
        raise UsageError(f"{option} {found['input']}: {found['msg'][0].lower()}{found['msg'][1:]}.") from None
