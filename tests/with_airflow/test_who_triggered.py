"""The name that the history gets, for each kind of DAG run, in the types that Airflow gives a task."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import DagRun
from airflow.sdk.execution_time.comms import AssetEventDagRunReferenceResult
from airflow.sdk.execution_time.context import TriggeringAssetEventsAccessor

from tendies_ops.operators.who import what_started, who_triggered
from tendies_ops.publish.history import who_am_i

URI = "tendies://checkpoint/m"
NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


def context(run_type: str, *, user: str | None = None, events: list[dict[str, Any]] | None = None) -> Any:
    run = {"dag_id": "d", "run_id": "r", "run_type": run_type, "run_after": NOW, "start_date": NOW, "state": "running"}
    absent = ("logical_date", "data_interval_start", "data_interval_end", "end_date", "partition_key")
    given = run | dict.fromkeys(absent) | {"triggering_user_name": user, "consumed_asset_events": []}
    dag_run = DagRun.model_validate(given)
    found = [event(**facts) for facts in events or []]
    return {"dag_run": dag_run, "triggering_asset_events": TriggeringAssetEventsAccessor.build(found)}


def event(source: str | None = None, uri: str = URI, **extra: Any) -> AssetEventDagRunReferenceResult:
    return AssetEventDagRunReferenceResult.model_validate(
        {
            "asset": {"name": "a", "uri": uri, "extra": {}},
            "extra": extra,
            "source_task_id": source and "train",
            "source_dag_id": source,
            "source_run_id": source and "r7",
            "source_map_index": -1,
            "source_aliases": [],
            "timestamp": NOW,
        }
    )


@pytest.mark.parametrize(
    ("run", "who"),
    [
        (context("manual", user="ada"), "ada"),
        (context("backfill", user="ada"), "ada"),
        (context("scheduled"), "schedule"),
        (context("asset_triggered", events=[{"source": "train"}]), f"event of {URI}, DAG train, run r7"),
        (context("asset_triggered", events=[{"from_trigger": True}]), f"event of {URI}, a watcher"),
        (context("asset_triggered", events=[{"from_rest_api": True}]), f"event of {URI}, posted over the API"),
        (context("asset_triggered", events=[{"by": "admin"}]), f"event of {URI}, of unknown origin"),
        ({}, who_am_i()),
    ],
)
def test_a_run_is_named_after_whoever_made_it_and_never_after_what_an_event_claims(run: Any, who: str) -> None:
    assert who_triggered(run) == who


@pytest.mark.parametrize(
    ("run", "title"),
    [
        (context("manual", user="ada"), "By ada"),
        (context("scheduled"), "On schedule"),
        (
            context("asset_triggered", events=[{"uri": "tendies://model/m", "version": 8}]),
            "After the release of version 8",
        ),
        (
            context("asset_triggered", events=[{"uri": "tendies://model/m", "version": 7, "state": "rolled_back"}]),
            "After the rollback to version 7",
        ),
        (context("asset_triggered", events=[{"uri": "tendies://pictures/m"}]), "After new pictures"),
        ({}, ""),
    ],
)
def test_a_batch_is_titled_by_what_started_it(run: Any, title: str) -> None:
    assert what_started(run) == title
