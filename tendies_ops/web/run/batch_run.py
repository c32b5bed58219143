"""One batch run as its pages show it, read from the files that it writes below its output."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from tendies_ops.files.allowed_roots import is_below
from tendies_ops.files.object_store import is_remote
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER
from tendies_ops.web.safety import OutsideError, confine, is_inside
from tendies_ops.web.sources.known import local_path
from tendies_ops.web.sources.typed import LONGEST_RUN_S, points, read_facts

#: What Airflow's kinds of DAG runs are called here.
_CAUSES = {
    "manual": "By hand",
    "scheduled": "On schedule",
    "asset_triggered": "After a release or new pictures",
    "backfill": "Backfill",
}
T = TypeVar("T")
RunState = Literal["running", "done", "some failed", "failed", "stopped", "dry run"]
#: What follows a batch DAG's id in the name of a run: ``infer`` does it all, ``batch.infer`` a shard, ``batch.report``
#: sums up. Ids of DAG runs hold dots themselves.
_TASK_RUN = re.compile(
    r"(?P<run>.+?)[.](?:infer|batch[.]infer|batch[.]report)(?:[.](?P<shard>[0-9]+))?[.](?P<try>[0-9]+)"
)


@dataclass(frozen=True)
class TaskOfRun:
    """The DAG run, shard and try that a batch run belongs to."""

    dag_id: str
    dag_run_id: str
    shard: str | None
    attempt: str


def _number_of(name: str, kind: Callable[[float], T]) -> T:
    """Make a property of a number among a run's facts; 0 if it is not recorded."""
    return property(lambda run: kind(run.number(name)))  # type: ignore[return-value]  # what it returns when it is read


@dataclass(frozen=True)
class Run:
    """One run of one model."""

    model_name: str
    run_id: str
    directory: Path
    usual_input: str | None  #: the spec's input folder, for runs that have not written theirs yet
    facts: dict[str, Any]  #: of report.json, or of progress.json until that exists
    state: RunState
    changed_at: datetime  #: when it last wrote a word
    output_url: str | None = None  #: URL of its results, if they are in an object store
    input_roots: tuple[str, ...] = ()  #: folders and URLs that its pictures may be in

    @property
    def input_url(self) -> str | None:
        """Return the URL of its pictures, if it is that of the spec and an object store."""
        usual = self.usual_input
        return usual if usual and is_remote(usual) and self.facts.get("input", usual) == usual else None

    def number(self, name: str) -> float:
        """Return a number among the facts; 0 if it is not recorded."""
        value = self.facts.get(name)
        return value if isinstance(value, int | float) else 0

    @property
    def failures_allowed(self) -> int | None:
        """Return how many of its pictures may fail; None: the run was not judged, or is of an older tendies."""
        value = self.facts.get("failures_allowed")
        return value if isinstance(value, int) else None

    done = _number_of("done", int)  #: pictures that were made in this run
    skipped = _number_of("skipped", int)  #: pictures that an earlier run made and that have not changed
    failed = _number_of("failed", int)  #: pictures that could not be made
    elapsed_s = _number_of("elapsed_s", float)
    images_per_second = _number_of("images_per_second", float)  #: over the whole run

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
    def eta_s(self) -> float | None:
        """Return how long it will still take at this speed."""
        value = self.facts.get("eta_s")
        return float(value) if self.state == "running" and isinstance(value, int | float) else None

    @property
    def waits_because(self) -> str:
        """The reason why a running run makes no progress, as it reported it."""
        return str(self.facts.get("message") or "") if self.state == "running" else ""

    @property
    def task(self) -> TaskOfRun | None:
        """The Airflow task that made it, when a DAG of the factory did."""
        return task_of(self.model_name, self.run_id)

    @property
    def cause(self) -> str:
        """Return what started it."""
        return str(self.facts.get("started_by") or "") or _cause_of(self.task)

    @property
    def title(self) -> str:
        """Return its name for people: what started it, which shard or try of it this is, and its part of a fan-out."""
        of_fan_out = f", {self.output.name.replace('=', ' ')}" if "=" in self.output.name else ""
        return self.cause + _part_of(self.task) + of_fan_out

    @property
    def started_at(self) -> str:
        """ISO 8601; a run of an older tendies without a report has written only how long it had been at work."""
        began = self.changed_at - timedelta(seconds=min(max(self.elapsed_s, 0.0), LONGEST_RUN_S))
        return str(self.facts.get("started_at") or began.isoformat(timespec="seconds"))

    @property
    def input(self) -> Path | None:
        """
        The folder of its pictures, if it is on this machine and one of those that the spec allows.

        A report is a file among the results: it cannot add a place from which pictures are served.
        """
        named = self.facts.get("input") or self.usual_input
        if not named or (self.output_url and named != self.usual_input):
            return None
        return local_path(named) if is_below(named, self.input_roots) else None

    @property
    def output(self) -> Path:
        """The folder of its results."""
        return self.directory.parents[2]

    @property
    def state_folder(self) -> Path:
        """Return the folder of the state that all runs into this output share."""
        return self.directory.parents[1]

    @property
    def ledger(self) -> Path:
        """
        Return what became of each picture, of all runs into this folder; a shard's own until the report has merged it.

        :raises OutsideError: it is a link to a file elsewhere.
        """
        found = self.state_folder / LEDGER_NAME
        if self.task and self.task.shard is not None:
            found = next(self.state_folder.glob(f"ledger.shard-{self.task.shard}-of-*.jsonl"), found)
        if os.path.lexists(found) and not is_inside(self.output, found):
            raise OutsideError(found.name)
        return found

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
        try:
            path, status = own_file(self.directory, "progress.json")
            return points(facts_of(str(path), status.st_mtime_ns, status.st_size).get("rates"))
        except (OSError, OutsideError):
            return ()


def task_of(model_name: str, run_id: str) -> TaskOfRun | None:
    """Return the Airflow task that made a run, when a DAG of the factory did."""
    dag = re.match(rf"[\w.-]*?tendies_batch_{re.escape(model_name)}(?:__[\w-]+)?(?=\.)", run_id)
    found = dag and _TASK_RUN.fullmatch(run_id, dag.end() + 1)
    if dag is None or found is None:
        return None
    return TaskOfRun(dag[0], found["run"], found["shard"], found["try"])


def title_of_id(run_id: str | None) -> str:
    """Return a run's name as far as its id has one."""
    found = _TASK_RUN.fullmatch(re.sub(r"^[\w.-]*?tendies_batch_.+?[.](?=[a-z_]+__[0-9])", "", run_id or ""))
    task = TaskOfRun("", found["run"], found["shard"], found["try"]) if found else None
    return _cause_of(task) + _part_of(task)


def _cause_of(task: TaskOfRun | None) -> str:
    if task is None:
        return "From the command line"
    return _CAUSES.get(task.dag_run_id.partition("__")[0], "Triggered")


def _part_of(task: TaskOfRun | None) -> str:
    shard = f", shard {int(task.shard) + 1}" if task and task.shard else ""
    return shard + (f", try {task.attempt}" if task and task.attempt != "1" else "")


@lru_cache(maxsize=4096)  # time and size are part of the key: what changes is read again
def facts_of(path: str, changed_ns: int, size_bytes: int) -> dict[str, Any]:
    """Read a report or a progress file, once for each time that it was written."""
    return read_facts(Path(path))


def own_file(directory: Path, name: str) -> tuple[Path, os.stat_result]:
    """Return a file of a run: after every link it is among the results, and not some other file of the machine."""
    path = confine(directory.parents[2], f"{STATE_FOLDER}/runs/{directory.name}/{name}")
    return path, path.stat()
