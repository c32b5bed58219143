"""The checkpoint of a release run that an asset event has started; many may arrive at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from airflow.sdk import Asset, Context
from airflow.sdk.exceptions import AirflowSkipException

from tendies_ops.operators.assets import events_of
from tendies_ops.triggers.checkpoint_watch import WATERMARK_KEY, Watermark

log = logging.getLogger(__name__)
#: Key in the state store of ``tendies://checkpoint/<model>``: the checkpoint that was exported last, and by which run.
TAKEN_KEY = "tendies_taken"


@dataclass(frozen=True)
class Arrival:
    """A checkpoint that was announced."""

    checkpoint: str
    step: int | None
    mtime_ns: int | None  #: None: the event has none, so it is unknown whether it was exported


def newest_arrival(context: Context, inlets: Sequence[Any]) -> Arrival | None:
    """
    Return the checkpoint that this run is to export; None if no checkpoint has started the run.

    It is the one that was announced last, perhaps after this run was queued: while one release runs, checkpoints that
    arrive start further runs, and each of these would release an old one.
    """
    by_watcher: list[Arrival] = []
    by_hand: list[Arrival] = []
    for event in events_of(context):
        extra = event.extra or {}
        payload = extra.get("payload") if extra.get("from_trigger") else extra
        if isinstance(payload, Mapping) and payload.get("checkpoint"):
            arrival = Arrival(str(payload["checkpoint"]), payload.get("step"), payload.get("mtime_ns"))
            (by_watcher if extra.get("from_trigger") else by_hand).append(arrival)
    if by_hand:  # a user or trainer that posts an event means this checkpoint
        return by_hand[-1]
    return (_watermark(context, inlets) or by_watcher[-1]) if by_watcher else None


def skip_if_taken(context: Context, inlets: Sequence[Any], arrival: Arrival) -> None:
    """
    Skip the task if another run has exported the checkpoint already.

    :raises AirflowSkipException: it has.
    """
    asset = _checkpoint_asset(inlets)
    if asset is None or arrival.mtime_ns is None:
        return
    taken = _stored(context, asset, TAKEN_KEY)
    if not isinstance(taken, dict) or taken.get("run_id") == context["run_id"]:
        return  # a cleared run exports again
    if (taken.get("checkpoint"), taken.get("mtime_ns")) == (arrival.checkpoint, arrival.mtime_ns):
        raise AirflowSkipException(
            f"The newest checkpoint {arrival.checkpoint} was exported by run {taken.get('run_id')} already."
        )


def remember_taken(context: Context, inlets: Sequence[Any], arrival: Arrival) -> None:
    """Record the exported checkpoint for the runs that are queued behind this one."""
    asset = _checkpoint_asset(inlets)
    if asset is not None:
        context["asset_state_store"][asset].set(TAKEN_KEY, {**asdict(arrival), "run_id": context["run_id"]})


def _watermark(context: Context, inlets: Sequence[Any]) -> Arrival | None:
    asset = _checkpoint_asset(inlets)
    if asset is None:
        return None
    watermark = Watermark.from_json(_stored(context, asset, WATERMARK_KEY))
    return Arrival(watermark.path, watermark.step, watermark.mtime_ns) if watermark and watermark.path else None


def _stored(context: Context, asset: Asset, key: str) -> Any:
    """
    Read a value from the asset's state store.

    :return: None also if it cannot be read: the run then uses its own events, and at worst exports a checkpoint that
        another run has exported.
    """
    try:
        return context["asset_state_store"][asset].get(key)
    except Exception as error:  # the API server or its database is unreachable: Airflow raises several kinds
        log.warning("%s of %s cannot be read, so this run uses its own events: %s", key, asset.uri, error)
        return None


def _checkpoint_asset(inlets: Sequence[Any]) -> Asset | None:
    found = (inlet for inlet in inlets if isinstance(inlet, Asset) and inlet.uri.startswith("tendies://checkpoint/"))
    return next(found, None)
