"""Lists of batch runs, read from the files that the runs write below their outputs. No FastAPI."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tendies_ops.inference.ledger.ledger import STATE_FOLDER
from tendies_ops.partitions.partition_states import SILENT_S
from tendies_ops.web.run.batch_run import Run, RunState, facts_of, own_file
from tendies_ops.web.safety import RUN_ID, OutsideError, is_inside
from tendies_ops.web.sources.known import KnownModel


@dataclass(frozen=True)
class RunList:
    """Some runs, newest first, and how many there are."""

    runs: tuple[Run, ...]
    total: int


def list_runs(
    models: Iterable[KnownModel], *, offset: int = 0, limit: int = 50, state: RunState | None = None, text: str = ""
) -> RunList:
    """
    Return the newest runs of some models.

    Only the runs that are shown are read, unless ``state`` or ``text`` is given; what has ended is read once.

    :param text: a part of the run's name, id or model, whatever the case.
    """
    places = sorted(
        (place for model in models for place in _places(model)), key=lambda place: place.changed_ns, reverse=True
    )
    if state is None and not text:
        return RunList(tuple(_read(place) for place in places[offset : offset + limit]), len(places))
    wanted = text.casefold()
    runs = [run for run in map(_read, places) if (state is None or run.state == state) and _holds(run, wanted)]
    return RunList(tuple(runs[offset : offset + limit]), len(runs))


def _holds(run: Run, text: str) -> bool:
    return text in f"{run.title} {run.run_id} {run.model_name}".casefold()


def count_states(models: Iterable[KnownModel]) -> Counter[str]:
    """Count the runs of some models by their state. Reads each of them once."""
    return Counter(_read(place).state for model in models for place in _places(model))


def find_run(model: KnownModel, run_id: str) -> Run | None:
    """Return one run of a model. Its id is a name without separators, and its directory is really below the results."""
    if not RUN_ID.fullmatch(run_id):
        return None
    return next(filter(None, (_run_in(one, run_id) for one in _folders(model))), None)


def _run_in(model: KnownModel, run_id: str) -> Run | None:
    folder = _runs_folder(model)
    if folder is None:
        return None
    try:
        directory = folder / run_id
        is_one = directory.is_dir() and not directory.is_symlink()
        return _read(_Place(model, run_id, directory, directory.stat().st_mtime_ns)) if is_one else None
    except OSError:
        return None


def task_prefix(dag_id: str, run_id: str, task_id: str = "") -> str:
    """Return the prefix of the ids of a DAG run's batch runs, or of one task's (see ``BatchInferenceOperator``)."""
    name = ".".join([dag_id, run_id, *([task_id] if task_id else [])])
    return re.sub(r"[^A-Za-z0-9_.:+=@-]", "_", name) + "."


def runs_of_task(models: Iterable[KnownModel], dag_id: str, run_id: str, task_id: str = "") -> tuple[Run, ...]:
    """Return the batch runs that a DAG run, or one task of it, has started, newest first."""
    prefix = task_prefix(dag_id, run_id, task_id)
    places = [place for model in models for place in _places(model) if place.run_id.startswith(prefix)]
    return tuple(_read(place) for place in sorted(places, key=lambda place: place.changed_ns, reverse=True))


@dataclass(frozen=True)
class _Place:
    model: KnownModel
    run_id: str
    directory: Path
    changed_ns: int


def _places(model: KnownModel) -> list[_Place]:
    return [place for one in _folders(model) for place in _places_of_batch(one)]


def _folders(model: KnownModel) -> Iterator[KnownModel]:
    """Yield the model with each of its output folders: of each batch, and of each partition."""
    return (one for part in model.parts for one in part.partition_folders())


def _places_of_batch(model: KnownModel) -> list[_Place]:
    folder = _runs_folder(model)
    if folder is None:
        return []
    found: list[_Place] = []
    try:
        with os.scandir(folder) as entries:
            found += [
                _Place(model, entry.name, Path(entry.path), entry.stat().st_mtime_ns)
                for entry in entries
                if RUN_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return found


def _runs_folder(model: KnownModel) -> Path | None:
    """Return the folder of a model's runs, if there is one and it is not a link to elsewhere."""
    if model.output is None:
        return None
    if model.mirror is not None:
        model.mirror.refresh()
    folder = model.output / STATE_FOLDER / "runs"
    return folder if is_inside(model.output, folder) else None


def _read(place: _Place) -> Run:
    for name in ("report.json", "progress.json"):
        try:
            path, status = own_file(place.directory, name)
            facts = facts_of(str(path), status.st_mtime_ns, status.st_size)
        except (OSError, OutsideError):
            continue
        changed_at = _moment(status.st_mtime)
        return _run(place, facts, _state(name, facts, changed_at), changed_at)
    changed_at = _moment(place.changed_ns / 1e9)
    return _run(place, {}, _state("", {}, changed_at), changed_at)


def _run(place: _Place, facts: dict[str, Any], state: RunState, changed_at: datetime) -> Run:
    model, url = place.model, place.model.mirror.url if place.model.mirror else None
    of_run = (model.name, place.run_id, place.directory, model.spec.batch.input, facts, state, changed_at)
    return Run(*of_run, url, model.input_roots)


def _moment(unix_s: float) -> datetime:
    """Return the time of a file, which may be set to anything."""
    try:
        return datetime.fromtimestamp(unix_s, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, timezone.utc)


def _state(name: str, facts: dict[str, Any], changed_at: datetime) -> RunState:
    if name != "report.json":
        if facts.get("state") == "stopped":
            return "stopped"
        silent_s = (datetime.now(timezone.utc) - changed_at).total_seconds()
        return "running" if silent_s < SILENT_S else "stopped"
    if facts.get("dry_run"):
        return "dry run"
    if facts.get("ok") is False:
        return "failed"
    return "some failed" if facts.get("failed") else "done"


def reasons(counts: dict[tuple[str, str], int]) -> Sequence[tuple[str, int]]:
    """Kinds of failure and how many, the most frequent first."""
    found = [(kind, number) for (outcome, kind), number in counts.items() if outcome == "failed"]
    return sorted(found, key=lambda item: -item[1])
