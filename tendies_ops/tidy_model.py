"""Tidy all that a model's spec leads to: the output of each batch, or of each of its partitions, and the base path."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tendies_ops.errors import LockHeldError, NotNowError, StoppedError, TendiesError
from tendies_ops.files.object_store import is_remote
from tendies_ops.inference.ledger.ledger import STATE_FOLDER
from tendies_ops.inference.ownership import model_of
from tendies_ops.inference.upkeep.tidy_output import Tidied, tidy_output
from tendies_ops.partitions.keys import partitions_of
from tendies_ops.publish.tidy_base_path import TidiedBasePath, tidy_base_path
from tendies_ops.spec import ModelSpec, RetentionSpec
from tendies_ops.spec.templates import fixed_folder

_MOST_NAMED = 50
Found = TypeVar("Found")


@dataclass
class TidiedModel:
    """The records that were removed, or would be, in each folder; and the folders that could not be tidied now."""

    model_name: str
    dry_run: bool
    outputs: dict[str, Tidied] = field(default_factory=dict)
    base_path: TidiedBasePath | None = None
    left_alone: dict[str, str] = field(default_factory=dict)  #: folder -> why, to be tidied the next time
    refused: list[TendiesError] = field(default_factory=list)  #: what a user has to look at

    def summary(self) -> dict[str, Any]:
        """Return small JSON for XCom and ``--json``."""
        outputs, base = self.outputs.values(), self.base_path
        freed = {folder: one.bytes_freed for folder, one in self.outputs.items() if one.bytes_freed}
        return {
            "model_name": self.model_name,
            "dry_run": self.dry_run,
            "outputs": len(outputs),
            "runs_kept": sum(one.runs_kept for one in outputs),
            "runs_removed": sum(one.runs_removed for one in outputs),
            "lines_kept": sum(one.lines_kept for one in outputs),
            "lines_removed": sum(one.lines_removed for one in outputs),
            "reports_removed": base.reports_removed if base else 0,
            "bytes_freed": sum(freed.values()) + (base.bytes_freed if base else 0),
            "freed_in": dict(sorted(freed.items(), key=lambda one: -one[1])[:_MOST_NAMED]),
            "left_alone": dict(list(self.left_alone.items())[:_MOST_NAMED]),
        }


def tidy_model(
    spec: ModelSpec,
    retention: RetentionSpec,
    *,
    model_base_path: Path | None = None,
    dry_run: bool = False,
    cancelled: threading.Event | None = None,
) -> TidiedModel:
    """
    Tidy each output and the base path of a model, one after the other, each under its own lock.

    :param model_base_path: instead of the spec's.
    :param cancelled: set it to stop before the next folder.
    :raises StoppedError: it was set.
    """
    done = TidiedModel(spec.model_name, dry_run)
    keep_days = retention.keep_days
    for name in spec.batches_by_name():
        for folder in output_folders(spec, name):
            if cancelled is not None and cancelled.is_set():
                raise StoppedError(f"Stopped before {folder} was tidied. What was removed is gone; the rest is whole.")
            tidy = partial(tidy_output, Path(folder), keep_runs=retention.keep_runs, keep_days=keep_days)
            if is_remote(folder):
                done.left_alone[folder] = "it is in an object store, where ledgers are put together by the runs"
            elif (tidied := _tidied(done, folder, partial(tidy, dry_run=dry_run))) is not None:
                done.outputs[folder] = tidied
    base = model_base_path or spec.release.model_base_path
    if base is not None and base.is_dir():
        tidy_base = partial(tidy_base_path, base, keep_reports=retention.keep_runs, keep_days=keep_days)
        done.base_path = _tidied(done, str(base), partial(tidy_base, dry_run=dry_run))
    return done


def _tidied(done: TidiedModel, folder: str, tidy: Callable[[], Found]) -> Found | None:
    try:
        return tidy()
    except (LockHeldError, NotNowError) as error:
        done.left_alone[folder] = str(error)
    except TendiesError as error:
        done.left_alone[folder] = str(error)
        done.refused.append(error)
    return None


def output_folders(spec: ModelSpec, batch_name: str = "") -> Iterator[str]:
    """
    Yield the folders that the runs of a batch have written to, those of a fan-out among them.

    Of an output with another template than ``partition_key`` these are the model's own outputs below its fixed part.
    """
    batch, partitions = spec.batches_by_name()[batch_name], partitions_of(spec, batch_name)
    place = (batch.output or "").removeprefix("file://")
    fixed = fixed_folder(place)
    if is_remote(place):
        yield place
    elif partitions is not None:
        folders = (partitions.folders(key)[1] for key in partitions.due(datetime.now(timezone.utc)))
        yield from (folder for folder in folders if (Path(folder) / STATE_FOLDER).is_dir())
    elif fixed:
        yield from _own_outputs(Path(fixed), spec.model_name, is_whole=fixed == place)


def _own_outputs(folder: Path, model_name: str, *, is_whole: bool) -> Iterator[str]:
    """
    Yield the outputs of a model in a folder and below it, but not those below another output.

    :param is_whole: the folder itself is an output, and the outputs below it can only be those of a fan-out.
    """
    for place, names, _ in os.walk(folder):
        if STATE_FOLDER in names and model_of(Path(place)) == model_name:
            yield place
            if not is_whole:
                names.clear()
        names[:] = [name for name in names if name != STATE_FOLDER and ("=" in name or not is_whole)]
