"""The assets that tie the DAGs together: ``tendies://<kind>/<model_name>``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset, AssetWatcher, Context


def checkpoint_asset(model_name: str, watchers: list[AssetWatcher] | None = None) -> Asset:
    """Return ``tendies://checkpoint/<model>``: an event means that a checkpoint has arrived."""
    return Asset(
        name=f"tendies checkpoint {model_name}", uri=f"tendies://checkpoint/{model_name}", watchers=watchers or []
    )


def model_asset(model_name: str) -> Asset:
    """Return ``tendies://model/<model>``: an event means that another version serves; its extra is the summary."""
    return Asset(name=f"tendies model {model_name}", uri=f"tendies://model/{model_name}")


def pictures_asset(model_name: str, batch: str = "", watchers: list[AssetWatcher] | None = None) -> Asset:
    """Return ``tendies://pictures/<model>[/<batch>]``: an event means that new pictures are in the input folder."""
    name = f"{model_name}/{batch}" if batch else model_name
    return Asset(name=f"tendies pictures {name}", uri=f"tendies://pictures/{name}", watchers=watchers or [])


def rollback_asset(model_name: str) -> Asset:
    """Return ``tendies://rollback/<model>``: post an event that names a request to roll back."""
    return Asset(name=f"tendies rollback {model_name}", uri=f"tendies://rollback/{model_name}")


def batch_asset(model_name: str, batch: str = "") -> Asset:
    """Return ``tendies://batch/<model>[/<batch>]``: an event means that a run has ended; its extra is the summary."""
    name = f"{model_name}/{batch}" if batch else model_name
    return Asset(name=f"tendies batch {name}", uri=f"tendies://batch/{name}")


def events_of(context: Context) -> list[Any]:
    """Return the asset events that started the run, oldest first."""
    by_asset = context.get("triggering_asset_events") or {}
    events = [event for events in by_asset.values() for event in events]
    return sorted(events, key=lambda event: event.timestamp)


def announce(context: Context, outlets: list[Any], kind: str, extra: Mapping[str, Any]) -> None:
    """
    Put ``extra`` on the event of every ``tendies://<kind>/`` asset among a task's outlets.

    Airflow adds the key of the run to the event. A run without a key adds that of the partition which it has done.
    """
    key = extra.get("partition_key")
    for outlet in outlets:
        if isinstance(outlet, Asset) and outlet.uri.startswith(f"tendies://{kind}/"):
            event = context["outlet_events"][outlet]
            event.extra = dict(extra)
            if key and not context["dag_run"].partition_key:
                event.add_partitions([key])


#: Key in the state store of ``tendies://model/<model>``: which version serves, since when, what it was made from.
DEPLOYED_KEY = "deployed"


def remember_deployed(context: Context, outlets: list[Any], summary: Mapping[str, Any]) -> None:
    """Keep the version that serves now in the state of the model's asset."""
    known = ("version", "previous_version", "model_digest", "checkpoint", "checkpoint_step", "state")
    for outlet in outlets:
        if isinstance(outlet, Asset) and outlet.uri.startswith("tendies://model/"):
            deployed = {name: summary[name] for name in known}
            context["asset_state_store"][outlet].set(DEPLOYED_KEY, {**deployed, "run_id": context["run_id"]})
