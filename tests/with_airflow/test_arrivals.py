"""Which checkpoint a release run is about."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from tendies_ops.operators.arrivals import (
    TAKEN_KEY,
    Arrival,
    newest_arrival,
    remember_taken,
    skip_if_taken,
)
from tendies_ops.operators.assets import checkpoint_asset
from tendies_ops.triggers.checkpoint_watch import WATERMARK_KEY

ASSET = checkpoint_asset("m")


@dataclass
class Event:
    extra: dict[str, Any]
    timestamp: datetime


@dataclass
class Store:
    """An asset's state store, in memory."""

    values: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        return self.values.get(key)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value


def context(*extras: dict[str, Any], store: Store | None = None, run_id: str = "run_1") -> Any:
    start = datetime(2026, 11, 22, tzinfo=timezone.utc)
    events = [Event(extra, start + timedelta(seconds=index)) for index, extra in enumerate(extras)]
    return {
        "triggering_asset_events": {ASSET: events} if events else {},
        "asset_state_store": {ASSET: store or Store()},
        "run_id": run_id,
    }


def watched(step: int) -> dict[str, Any]:
    return {"from_trigger": True, "payload": {"checkpoint": f"/c/ckpt-{step}", "step": step, "mtime_ns": step * 10}}


def test_a_run_that_no_event_started_is_about_no_arrival() -> None:
    assert newest_arrival(context(), [ASSET]) is None


def test_an_event_that_names_no_checkpoint_is_no_arrival() -> None:
    assert newest_arrival(context({"from_rest_api": True}), [ASSET]) is None


def test_of_several_events_the_last_counts() -> None:
    found = newest_arrival(context(watched(1), watched(2)), [ASSET])

    assert found == Arrival("/c/ckpt-2", 2, 20)


def test_a_checkpoint_that_was_announced_after_the_run_was_queued_counts_instead() -> None:
    store = Store({WATERMARK_KEY: {"path": "/c/ckpt-9", "step": 9, "mtime_ns": 90}})

    assert newest_arrival(context(watched(1), store=store), [ASSET]) == Arrival("/c/ckpt-9", 9, 90)


def test_a_checkpoint_that_someone_posted_is_meant() -> None:
    store = Store({WATERMARK_KEY: {"path": "/c/ckpt-9", "step": 9, "mtime_ns": 90}})
    posted = {"checkpoint": "/c/best", "from_rest_api": True}

    assert newest_arrival(context(watched(1), posted, store=store), [ASSET]) == Arrival("/c/best", None, None)


def test_without_the_asset_among_the_inlets_the_run_s_own_events_count() -> None:
    assert newest_arrival(context(watched(1)), []) == Arrival("/c/ckpt-1", 1, 10)


def test_what_another_run_has_taken_is_skipped() -> None:
    store = Store()
    remember_taken(context(store=store, run_id="run_1"), [ASSET], Arrival("/c/ckpt-9", 9, 90))

    with pytest.raises(AirflowSkipException, match="was exported by run run_1 already"):
        skip_if_taken(context(store=store, run_id="run_2"), [ASSET], Arrival("/c/ckpt-9", 9, 90))


@pytest.mark.parametrize(
    ("run_id", "arrival"),
    [
        ("run_1", Arrival("/c/ckpt-9", 9, 90)),  # cleared, it exports again
        ("run_2", Arrival("/c/ckpt-9", 9, 91)),  # written again
        ("run_2", Arrival("/c/ckpt-10", 10, 100)),
        ("run_2", Arrival("/c/ckpt-9", None, None)),  # posted: no one knows, so it is done
    ],
)
def test_everything_else_is_exported(run_id: str, arrival: Arrival) -> None:
    taken = {"checkpoint": "/c/ckpt-9", "step": 9, "mtime_ns": 90, "run_id": "run_1"}

    skip_if_taken(context(store=Store({TAKEN_KEY: taken}), run_id=run_id), [ASSET], arrival)


class Away:
    """A state store whose API server is away."""

    def get(self, key: str) -> Any:
        raise RuntimeError("API_SERVER_ERROR: 500 Database error")


def test_while_the_state_store_is_away_a_run_goes_by_its_own_events() -> None:
    store: Any = Away()
    arrival = newest_arrival(context(watched(1), watched(2), store=store), [ASSET])

    assert arrival == Arrival("/c/ckpt-2", 2, 20)
    skip_if_taken(context(store=store), [ASSET], arrival)
