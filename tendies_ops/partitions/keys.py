"""Compute the keys of partitions: which there are, which are over, and the folders of one."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tendies_ops.errors import UsageError
from tendies_ops.spec import BatchSpec, ModelSpec
from tendies_ops.spec.partitions_spec import PartitionsSpec

_FORMATS = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%Y-%m-%d", "month": "%Y-%m"}
#: Cron expressions of the starts of periods; weeks begin on Monday.
_CRONS = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 1", "month": "0 0 1 * *"}
_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_JINJA = ImmutableSandboxedEnvironment()


@dataclass(frozen=True)
class Partitions:
    """
    The partitions of one batch of a spec.

    Hours are those of UTC: a local hour happens twice in autumn, and two partitions would have one key.
    """

    spec: PartitionsSpec
    batch: BatchSpec
    dag_id: str
    again_dag_id: str  #: of the DAG that processes partitions again
    zone: tzinfo
    zone_name: str

    @property
    def key_format(self) -> str:
        """The format of the keys of periods, for ``strftime``."""
        return _FORMATS[self.spec.every or "day"]

    @property
    def cron(self) -> str:
        """The cron expression of the starts of the periods, in :attr:`zone`."""
        return _CRONS[self.spec.every or "day"]

    @property
    def first_end(self) -> datetime:
        """The moment at which the first period is over, and its run is due."""
        return self._instant(self._next(self._first()))

    def due(self, now: datetime) -> list[str]:
        """Return all keys, oldest first; of periods those that are over."""
        if self.spec.every is None:
            return list(self.spec.keys)
        over = itertools.takewhile(lambda start: self._instant(self._next(start)) <= now, self._starts())
        return [start.strftime(self.key_format) for start in over]

    def between(self, first: str | None, last: str | None, now: datetime) -> list[str]:
        """
        Return the keys that are due from ``first`` to ``last``, both included; None: from the oldest, to the newest.

        :raises UsageError: one of them is not a key of this batch.
        """
        keys = self.due(now)
        at = keys.index(self.require(first, now)) if first else 0
        end = keys.index(self.require(last, now)) + 1 if last else len(keys)
        return keys[at:end]

    def require(self, key: str, now: datetime) -> str:
        """
        Return the key.

        :raises UsageError: it is not one of this batch, or its period is not over.
        """
        keys = self.due(now)
        if key in keys:
            return key
        nearest = difflib.get_close_matches(key, keys, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"keys are such as {keys[-1]}." if keys else "none is due."
        raise UsageError(f"{self.dag_id} has no partition {key!r} that is due; {hint}")

    def of_run(self, key: str | None, now: datetime) -> str:
        """
        Return the key of a run.

        :param key: that the run was given, if any.
        :raises UsageError: the key is not one of this batch, or it has none and the spec does not allow that.
        """
        if key:
            return self.require(key, now)
        keys = self.due(now)
        if self.spec.every is None or self.spec.without_key == "fail" or not keys:
            such = f", one of {', '.join(keys[-5:])}" if keys else "; none is due yet"
            raise UsageError(
                f"This run of {self.dag_id} has no partition key. Trigger it with one{such}: in the field Partition "
                "key, or as `partition` in the form."
            )
        return keys[-1]

    def folders(self, key: str) -> tuple[str, str]:
        """Return the input and the output of a partition."""
        return self._rendered(self.batch.input, key), self._rendered(self.batch.output, key)

    def _rendered(self, template: str | None, key: str) -> str:
        return _compiled(template or "").render(partition_key=key)

    def _first(self) -> datetime:
        day = self.spec.start or date.min
        if self.spec.every == "week":
            day -= timedelta(days=day.weekday())
        return datetime.combine(day.replace(day=1) if self.spec.every == "month" else day, time())

    def _starts(self) -> Iterator[datetime]:
        """Yield the wall clock at which each period begins."""
        start = self._first()
        while True:
            yield start
            start = self._next(start)

    def _next(self, start: datetime) -> datetime:
        if self.spec.every == "month":
            return (start + timedelta(days=32)).replace(day=1)
        return start + _STEPS[self.spec.every or "day"]

    def _instant(self, wall_clock: datetime) -> datetime:
        return wall_clock.replace(tzinfo=self.zone).astimezone(timezone.utc)


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    return _JINJA.from_string(template)


def partitions_of(spec: ModelSpec, batch_name: str = "") -> Partitions | None:
    """Return the partitions of a batch; None if it has none."""
    batch = spec.batches_by_name()[batch_name]
    if batch.partitions is None:
        return None
    named = spec.airflow.of_batch(batch.airflow).timezone
    name = "UTC" if batch.partitions.every == "hour" else named or "UTC"
    dag_id = spec.dag_id("batch", batch_name)
    return Partitions(batch.partitions, batch, dag_id, f"{dag_id}__again", ZoneInfo(name), name)
