from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer

from tendies_ops.cli.output import EXIT_DONE, console, print_json
from tendies_ops.errors import UsageError
from tendies_ops.partitions.keys import Partitions, partitions_of
from tendies_ops.partitions.partition_states import PartitionState, list_states
from tendies_ops.release import list_versions
from tendies_ops.spec import ModelSpec, load_spec


def partitions_command(
    spec: Annotated[Path, typer.Argument(help="Model spec (YAML).")],
    batch: Annotated[str, typer.Option(help="Name of one of the spec's batches.")] = "",
    first: Annotated[str | None, typer.Option("--from", help="First key; absent: the oldest.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last key, included; absent: the newest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """
    List the partitions of a batch that are due: which are done, by which version, and what failed.

    Example: tendies partitions brush_strokes.yaml --from 2026-06-01 --to 2026-06-30
    """
    read = load_spec(spec)
    partitions = _partitions(read, batch)
    in_service = _in_service(read)
    keys = partitions.between(first, last, datetime.now(timezone.utc))
    states = list(list_states(partitions, keys, in_service))
    if as_json:
        print_json({"in_service": in_service, "partitions": [asdict(one) for one in states]})
        return EXIT_DONE
    for one in states:
        sys.stdout.write("\t".join((one.key, one.state, *_facts(one))) + "\n")
    if in_service is None:
        console.print("The version in service is not known, so no partition is listed as made by an older one.")
    return EXIT_DONE


def _facts(one: PartitionState) -> tuple[str, str]:
    made = "version " + ", ".join(map(str, one.versions)) if one.versions else "-"
    return f"{one.done} done, {one.failed} failed", made


def _partitions(spec: ModelSpec, batch: str) -> Partitions:
    known = [name for name in spec.batches_by_name() if partitions_of(spec, name)]
    name = batch if batch or len(known) != 1 else known[0]
    if name not in known:
        named = ", ".join(filter(None, known))
        hint = f"give --batch with one of {named}" if named else "add `partitions` to one of its batches"
        raise UsageError(f"The spec of {spec.model_name} has no partitioned batch {name!r}: {hint}.")
    return partitions_of(spec, name)  # type: ignore[return-value]  # it is one of the partitioned


def _in_service(spec: ModelSpec) -> int | None:
    base = spec.release.model_base_path
    if base is None or not spec.release.servers:
        return None
    return list_versions(base, spec.release.servers, model_name=spec.model_name).in_service
