"""A batch in shards as one run: what each shard does, and the sum. No FastAPI."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from markupsafe import Markup

from tendies_ops.partitions.partition_states import SILENT_S
from tendies_ops.web.run.batch_run import Run, RunState
from tendies_ops.web.views.charts import Series, line_chart

_SUMMED = ("total", "done", "skipped", "failed")
_WORST_FIRST: tuple[RunState, ...] = ("failed", "stopped", "some failed", "dry run", "done")
_SERIES_SHOWN = 8
_PLANNED = re.compile(r"ledger[.]shard-[0-9]+-of-([0-9]+)[.]jsonl")


@dataclass(frozen=True)
class Shards:
    """The shards of one DAG run."""

    parts: tuple[Run, ...]  #: the newest try of each, by number
    whole: Run  #: the report of all; until there is one, the sum of the parts
    planned: int  #: how many there will be, as far as is known
    reported: bool  #: whether the report is made

    @property
    def chart(self) -> Markup:
        """Images a second, a line for each of the first shards."""
        series = [Series(f"shard {_number(part)}", part.rates) for part in self.parts[:_SERIES_SHOWN]]
        return line_chart(series, unit="img/s", label="Images a second, shard by shard")


def shards_of(runs: Sequence[Run]) -> Shards | None:
    """
    Return what the batch runs of one DAG run are together.

    :param runs: newest first.
    :return: None if they are not shards.
    """
    parts: dict[int, Run] = {}
    for run in runs:
        if run.task and run.task.shard is not None:
            parts.setdefault(int(run.task.shard), run)
    if not parts:
        return None
    ordered = tuple(parts[number] for number in sorted(parts))
    report = next((run for run in runs if run.task and run.task.shard is None), None)
    planned = max(_planned(ordered[0]), len(ordered))
    return Shards(ordered, report or _sum_of(ordered, planned), planned, reported=report is not None)


def _sum_of(parts: Sequence[Run], planned: int) -> Run:
    running = [part for part in parts if part.state == "running"]
    newest = max(parts, key=lambda part: part.changed_at)
    ended = len(parts) - len(running)
    facts = {name: sum(int(part.number(name)) for part in parts) for name in _SUMMED} | {
        "found": sum(part.total for part in parts),
        "version": parts[0].version,
        "started_at": min(part.started_at for part in parts),
        "elapsed_s": max(part.elapsed_s for part in parts),
        "images_per_second": sum(part.images_per_second for part in running or parts),
        "eta_s": max((part.eta_s or 0.0 for part in running), default=0.0),
        "message": f"{ended} of {planned} shards have ended",
    }
    return replace(newest, facts=facts, state=_state_of(parts, newest))


def _state_of(parts: Iterable[Run], newest: Run) -> RunState:
    states = {part.state for part in parts}
    silent_s = (datetime.now(timezone.utc) - newest.changed_at).total_seconds()
    awaited = states <= {"done", "some failed"} and silent_s < SILENT_S  # shards to come, and then the report
    if "running" in states or awaited:
        return "running"
    return next(state for state in _WORST_FIRST if state in states)


def _planned(part: Run) -> int:
    """Return how many shards there are, from the names of their ledgers, until the report has merged these."""
    found = (_PLANNED.fullmatch(path.name) for path in part.state_folder.glob("ledger.shard-*.jsonl"))
    return max((int(match[1]) for match in found if match), default=0)


def _number(part: Run) -> str:
    return str(int(part.task.shard) + 1) if part.task and part.task.shard else ""
