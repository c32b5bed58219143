"""Choose the partitions of a batch to process again, after a release or on request."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import UsageError
from tendies_ops.operators.assets import events_of
from tendies_ops.operators.tendies_operator import TendiesOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tendies_ops.partitions.keys import Partitions
    from tendies_ops.partitions.partition_states import PartitionState

_FAILED = ("some failed", "failed", "stopped")


class ChoosePartitionsOperator(TendiesOperator):
    """
    List the partitions to process again, newest first, and log an estimate of the work.

    Returns (XCom) a list of ``{"partition_key", "input_path", "output_path"}``.

    :param partitions: of the batch.
    :param first: oldest key of a range; without a range, the newest as ``on_release`` counts them. (templated)
    :param last: newest key of the range. (templated)
    :param only_failed: ``True``: only partitions in which something failed. (templated)
    :param max_batch_size: pictures in a request, for the estimate.
    """

    template_fields: Sequence[str] = ("first", "last", "only_failed")

    def __init__(
        self,
        *,
        partitions: Partitions,
        first: str = "",
        last: str = "",
        only_failed: str | bool = False,
        max_batch_size: int = 32,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.partitions = partitions
        self.first = first
        self.last = last
        self.only_failed = only_failed
        self.max_batch_size = max_batch_size

    def run(self, context: Context, cancelled: threading.Event) -> list[dict[str, Any]]:
        """Read the states of the partitions, and choose."""
        from tendies_ops.partitions.partition_states import list_states

        version = _released(context)
        keys = self._keys()
        chosen = [one for one in list_states(self.partitions, keys, version) if self._is_chosen(one, version)]
        if not self._has_range():
            chosen = chosen[: self.partitions.spec.again_on_release]
        self._log_estimate(chosen, version)
        return [self._folders(one.key) for one in chosen]

    def _has_range(self) -> bool:
        return bool(self.first or self.last)

    def _keys(self) -> list[str]:
        """Return the keys to look at, newest first."""
        if not (self._has_range() or self.partitions.spec.again_on_release):
            raise UsageError(
                f"{self.partitions.dag_id} processes nothing again by itself (`on_release: nothing`). Give `first` and "
                "`last`, the keys of a range."
            )
        now = datetime.now(timezone.utc)
        return self.partitions.between(self.first or None, self.last or None, now)[::-1]

    def _is_chosen(self, one: PartitionState, version: int | None) -> bool:
        if str(self.only_failed) == "True":
            return one.state in _FAILED
        if self._has_range():
            return True
        of_others = version is None or any(made_by != version for made_by in one.versions)
        return of_others and one.state not in ("missing", "running")

    def _log_estimate(self, chosen: list[PartitionState], version: int | None) -> None:
        pictures = sum(one.done + one.failed for one in chosen)
        self.log.info(
            "%d partitions of %s are processed again%s, newest first and one at a time: %d pictures by their ledgers, "
            "in %d to %d requests. Those that are done already are skipped.",
            len(chosen),
            self.partitions.dag_id,
            f" with version {version}" if version else "",
            pictures,
            -(-pictures // self.max_batch_size),
            pictures,
        )

    def _folders(self, key: str) -> dict[str, Any]:
        input_path, output_path = self.partitions.folders(key)
        return {"partition_key": key, "input_path": input_path, "output_path": output_path}


def _released(context: Context) -> int | None:
    """Return the version of the newest release among the events that started the run."""
    found = [event.extra.get("version") for event in events_of(context) if event.extra]
    return found[-1] if found and isinstance(found[-1], int) else None
