"""Names for the history: who started a DAG run."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Context

from tendies_ops.operators.assets import events_of
from tendies_ops.publish.history import who_am_i


def who_triggered(context: Context) -> str:
    """
    Return who started the DAG run: its user, ``schedule``, or the asset event and its origin.

    Airflow does not record who posted an event, and the event's extra is not trusted, so no user is taken from it.

    :return: one line; user and host of this process if the context has nothing.
    """
    run: Any = context.get("dag_run")
    if name := getattr(run, "triggering_user_name", None):
        return str(name)
    if getattr(run, "run_type", None) == "scheduled":
        return "schedule"
    events = events_of(context)
    return _origin(events[-1]) if events else who_am_i()


def what_started(context: Context) -> str:
    """
    Name what started the DAG run, as the title of the runs of its batch: a user, the schedule, or an asset's event.

    :return: such as ``By ada``, ``On schedule``, ``After the release of version 8``; empty if the context has nothing.
    """
    run: Any = context.get("dag_run")
    if name := getattr(run, "triggering_user_name", None):
        return f"By {name}"
    if getattr(run, "run_type", None) == "scheduled":
        return "On schedule"
    events = events_of(context)
    if not events:
        return ""
    uri, extra = events[-1].asset.uri, events[-1].extra or {}
    if uri.startswith("tendies://model/") and isinstance(extra.get("version"), int):
        change = "rollback to" if extra.get("state") == "rolled_back" else "release of"
        return f"After the {change} version {extra['version']}"
    return "After new pictures" if uri.startswith("tendies://pictures/") else f"After an event of {uri}"


def _origin(event: Any) -> str:
    extra = event.extra or {}
    if event.source_dag_id:
        origin = f"DAG {event.source_dag_id}, run {event.source_run_id}"
    elif extra.get("from_rest_api"):
        origin = "posted over the API"
    else:
        origin = "a watcher" if extra.get("from_trigger") else "of unknown origin"
    return f"event of {event.asset.uri}, {origin}"
