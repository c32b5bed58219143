"""Batch runs as their pages show them, read from what the runs write beside their outputs. No FastAPI."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import orjson

from tendies_ops.files.object_store import is_remote
from tendies_ops.inference.ledger import LEDGER_NAME, STATE_FOLDER
from tendies_ops.web.known import KnownModel, local_path
from tendies_ops.web.safety import RUN_ID

RunState = Literal["running", "done", "some failed", "failed", "stopped", "dry run"]
SILENT_S = 120.0  #: a run without a report that has written nothing for so long was killed
#: What follows a batch DAG's id in the name of a run: ``infer`` does it all, ``batch.infer`` a shard, ``batch.report``
#: sums up. Ids of DAG runs hold dots themselves.
_TASK_RUN = re.compile(
    r"(?P<run>.+?)[.](?:infer|batch[.]infer|batch[.]report)(?:[.](?P<shard>[0-9]+))?[.](?P<try>[0-9]+)"
)


@dataclass(frozen=True)
class TaskOfRun:
    """Which DAG run, shard and try a batch run belongs to."""

    dag_id: str
    dag_run_id: str
    shard: str | None
    attempt: str


@dataclass(frozen=True)
class Run:
    """One run of one model."""

    model_name: str
    run_id: str
    directory: Path
    usual_input: str | None  #: the spec's input folder, for runs that do not tell theirs yet
    facts: dict[str, Any]  #: of report.json, or of progress.json while there is none
    state: RunState
    changed_at: datetime  #: when it last wrote a word
    output_url: str | None = None  #: where its results lie, if that is an object store

    @property
    def input_url(self) -> str | None:
        """Where its pictures lie, if that is an object store and the one that the spec names."""
        usual = self.usual_input
        return usual if usual and is_remote(usual) and self.facts.get("input", usual) == usual else None

    def number(self, name: str) -> float:
        """A number among the facts; 0 where it is not told."""
        value = self.facts.get(name)
        return value if isinstance(value, int | float) else 0

    @property
    def done(self) -> int:
        """Pictures that were made in this run."""
        return int(self.number("done"))

    @property
    def skipped(self) -> int:
        """Pictures that an earlier run made and that have not changed."""
        return int(self.number("skipped"))

    @property
    def failed(self) -> int:
        """Pictures that could not be done."""
        return int(self.number("failed"))

    @property
    def total(self) -> int:
        """Pictures that were found; while the run still looks for them, so far."""
        found = self.number("total") or self.number("found")
        return max(int(found), self.done + self.skipped + self.failed)

    @property
    def version(self) -> int | None:
        """The one version that the run asked."""
        value = self.facts.get("version")
        return value if isinstance(value, int) else None

    @property
    def elapsed_s(self) -> float:
        """How long it has taken."""
        return float(self.number("elapsed_s"))

    @property
    def images_per_second(self) -> float:
        """Over the whole run."""
        return float(self.number("images_per_second"))

    @property
    def eta_s(self) -> float | None:
        """How long it will still take at this speed."""
        value = self.facts.get("eta_s")
        return float(value) if self.state == "running" and isinstance(value, int | float) else None

    @property
    def waits_because(self) -> str:
        """Why a running run makes no progress, in its own words."""
        return str(self.facts.get("message") or "") if self.state == "running" else ""

    @property
    def task(self) -> TaskOfRun | None:
        """The Airflow task that made it, when a DAG of the factory did."""
        dag_id = f"tendies_batch_{self.model_name}"
        found = _TASK_RUN.fullmatch(self.run_id.removeprefix(f"{dag_id}."))
        if found is None or not self.run_id.startswith(f"{dag_id}."):
            return None
        return TaskOfRun(dag_id, found["run"], found["shard"], found["try"])

    @property
    def label(self) -> str:
        """Its id, short enough to read."""
        task = self.task
        if task is None:
            return self.run_id
        shard = f", shard {int(task.shard) + 1}" if task.shard else ""
        return f"{re.sub(r'[.][0-9]+(?=[+])', '', task.dag_run_id)}{shard}" + (
            f", try {task.attempt}" if task.attempt != "1" else ""
        )

    @property
    def started_at(self) -> str:
        """ISO 8601; from its id where the run does not tell."""
        return str(self.facts.get("started_at") or self.changed_at.isoformat())

    @property
    def input(self) -> Path | None:
        """The folder of its pictures, where that is one of this machine. A report in a bucket does not choose it."""
        told = self.facts.get("input") or self.usual_input
        return None if self.output_url and told != self.usual_input else local_path(told)

    @property
    def output(self) -> Path:
        """The folder of its results."""
        return self.directory.parents[2]

    @property
    def state_folder(self) -> Path:
        """What all runs into this folder keep beside their results."""
        return self.directory.parents[1]

    @property
    def ledger(self) -> Path:
        """What became of each picture, of all runs into this folder; a shard's own until the report has merged it."""
        if self.task and self.task.shard is not None:
            own = next(self.state_folder.glob(f"ledger.shard-{self.task.shard}-of-*.jsonl"), None)
            if own is not None:
                return own
        return self.state_folder / LEDGER_NAME

    @property
    def ledger_ids(self) -> tuple[str, ...]:
        """Under which run ids its pictures stand in the ledger: a report of shards has those of all of them."""
        report = re.fullmatch(r"(?P<group>.+[.]batch)[.]report[.][0-9]+", self.run_id)
        if report is None:
            return (self.run_id,)
        shards = f"{report['group']}.infer."
        return tuple(sorted(name for name in os.listdir(self.directory.parent) if name.startswith(shards)))

    @property
    def rates(self) -> tuple[tuple[float, float], ...]:
        """(seconds since its start, images a second), as often as the run wrote it down."""
        path = self.directory / "progress.json"
        try:
            status = path.stat()
            points = _facts(str(path), status.st_mtime_ns, status.st_size)["rates"]
            return tuple((float(x), float(y)) for x, y in points)
        except (OSError, KeyError, TypeError, ValueError):
            return ()


@dataclass(frozen=True)
class RunList:
    """Some runs, newest first, and how many there are."""

    runs: tuple[Run, ...]
    total: int


def list_runs(
    models: Iterable[KnownModel], *, offset: int = 0, limit: int = 50, state: RunState | None = None
) -> RunList:
    """
    The newest runs of some models.

    Only the runs that are shown are read, unless ``state`` is asked for; what has ended is read once.
    """
    places = sorted(
        (place for model in models for place in _places(model)), key=lambda place: place.changed_ns, reverse=True
    )
    if state is None:
        return RunList(tuple(_read(place) for place in places[offset : offset + limit]), len(places))
    runs = [run for run in map(_read, places) if run.state == state]
    return RunList(tuple(runs[offset : offset + limit]), len(runs))


def find_run(model: KnownModel, run_id: str) -> Run | None:
    """One run of a model. Its id is looked up among the directories that are there."""
    return next((_read(place) for place in _places(model) if place.run_id == run_id), None)


def task_prefix(dag_id: str, run_id: str, task_id: str = "") -> str:
    """How the ids of the batch runs of a DAG run, or of one task of it, begin (see ``BatchInferenceOperator``)."""
    name = ".".join([dag_id, run_id, *([task_id] if task_id else [])])
    return re.sub(r"[^A-Za-z0-9_.:+=@-]", "_", name) + "."


def runs_of_task(models: Iterable[KnownModel], dag_id: str, run_id: str, task_id: str = "") -> tuple[Run, ...]:
    """The batch runs that a DAG run, or one task of it, has started, newest first."""
    prefix = task_prefix(dag_id, run_id, task_id)
    places = [place for model in models for place in _places(model) if place.run_id.startswith(prefix)]
    return tuple(_read(place) for place in sorted(places, key=lambda place: place.changed_ns, reverse=True))


@dataclass(frozen=True)
class _Place:
    model_name: str
    usual_input: str | None
    run_id: str
    directory: str
    changed_ns: int
    output_url: str | None


def _places(model: KnownModel) -> list[_Place]:
    if model.output is None:
        return []
    if model.mirror is not None:
        model.mirror.refresh()
    output_url = model.mirror.url if model.mirror else None
    found = []
    try:
        with os.scandir(model.output / STATE_FOLDER / "runs") as entries:
            for entry in entries:
                if RUN_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    changed_ns = entry.stat().st_mtime_ns
                    usual_input = model.spec.batch.input
                    found.append(_Place(model.name, usual_input, entry.name, entry.path, changed_ns, output_url))
    except OSError:
        return []
    return found


def _read(place: _Place) -> Run:
    directory = Path(place.directory)
    for name in ("report.json", "progress.json"):
        try:
            status = (directory / name).stat()
            facts = _facts(str(directory / name), status.st_mtime_ns, status.st_size)
        except (OSError, ValueError):
            continue
        changed_at = datetime.fromtimestamp(status.st_mtime, timezone.utc)
        return _run(place, facts, _state(name, facts, changed_at), changed_at)
    changed_at = datetime.fromtimestamp(place.changed_ns / 1e9, timezone.utc)
    return _run(place, {}, _state("", {}, changed_at), changed_at)


def _run(place: _Place, facts: dict[str, Any], state: RunState, changed_at: datetime) -> Run:
    directory = Path(place.directory)
    return Run(place.model_name, place.run_id, directory, place.usual_input, facts, state, changed_at, place.output_url)


@lru_cache(maxsize=4096)  # time and size are part of the key: what changes is read again
def _facts(path: str, changed_ns: int, size_bytes: int) -> dict[str, Any]:
    facts = orjson.loads(Path(path).read_bytes())
    return facts if isinstance(facts, dict) else {}


def _state(name: str, facts: dict[str, Any], changed_at: datetime) -> RunState:
    if name != "report.json":
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
