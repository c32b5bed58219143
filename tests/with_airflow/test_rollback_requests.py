"""Who may roll back through an event, and what a request says, with a real state store."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import Context

from tendies_ops.errors import UsageError
from tendies_ops.operators.assets import rollback_asset
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.operators.rollback_request import REQUEST_PREFIX, take_request
from tendies_ops.publish.history import read_history
from tendies_ops.spec import ReleaseSpec
from tests.support.airflow_home import initialize_database
from tests.support.airflow_runs import run_task
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.watching_server import WatchingServer

ASSET = rollback_asset(MODEL_NAME)
OPTIONS = ReleaseSpec(available_timeout_s=20)


@dataclass
class Event:
    """As a user or program posts it."""

    extra: dict[str, Any]
    timestamp: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


class Rollback(RollbackModelVersionOperator):
    """The operator of a run that events have started, which ``dag.test()`` has none of."""

    def __init__(self, *, events: Sequence[Mapping[str, Any]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.events = events

    def run(self, context: Context, cancelled: threading.Event) -> dict[str, Any]:
        now = datetime.now(timezone.utc)
        posted = [Event(dict(extra), now + timedelta(seconds=n)) for n, extra in enumerate(self.events)]
        return super().run(cast("Context", {**context, "triggering_asset_events": {ASSET: posted}}), cancelled)


def roll_back(dag_id: str, *events: Mapping[str, Any]) -> Any:
    return run_task(
        dag_id,
        lambda: Rollback(task_id="roll_back", model_name=MODEL_NAME, options=OPTIONS, requests=ASSET, events=events),
    )


def ask(name: str, value: Any) -> None:
    """Write a request as the API does for anyone who may edit assets."""
    from airflow._shared.state import AssetScope, AssetStateStoreWriterKind
    from airflow.state.metastore import _get_db_backend
    from airflow.utils.session import create_session

    with create_session() as session:
        _get_db_backend().set_asset_state_store(
            AssetScope(asset_id=_asset_id()),
            REQUEST_PREFIX + name,
            json.dumps(value),
            kind=AssetStateStoreWriterKind.API,
            session=session,
        )


def stored(name: str) -> Any:
    """What a request's place in the state store holds."""
    from airflow._shared.state import AssetScope
    from airflow.state.metastore import _get_db_backend
    from airflow.utils.session import create_session

    with create_session() as session:
        found = _get_db_backend().get(AssetScope(asset_id=_asset_id()), REQUEST_PREFIX + name, session=session)
    return json.loads(found or "null")


def _asset_id() -> int:
    from airflow.models.asset import AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalar(select(AssetModel.id).where(AssetModel.uri == ASSET.uri))
        assert found is not None
        return int(found)


@pytest.fixture
def three(server: WatchingServer, server_connection: str, tmp_path: Path) -> WatchingServer:
    """A server of versions 1, 2 and 3, and an Airflow that knows the asset."""
    initialize_database()
    for by in (10, 20, 30):
        run_task(
            f"to_go_back_from_{by}",
            partial(
                ReleaseModelVersionOperator,
                task_id="release",
                saved_model_dir=str(make_candidate(tmp_path / str(by), by=by)),
                options=OPTIONS,
                rehearse=False,
                inlets=[ASSET],
            ),
        )
    assert server.serving() == [3]
    return server


def last(server: WatchingServer) -> tuple[str, int, str, str]:
    record = read_history(server.base)[-1]
    return record.event, record.version, record.who, record.reason


def test_the_request_says_the_version_the_reason_and_who_asked(three: WatchingServer) -> None:
    ask("of-ada", {"to_version": 1, "reason": "seams", "by": "Ada"})

    ti = roll_back("rollback_asked", {"request": "of-ada"})

    assert ti.state == "success"
    three.wait_until_serving(1)
    assert last(three) == ("rolled_back", 1, "Ada", "seams")
    assert ti.xcom_pull(task_ids="roll_back")["who"] == "Ada"


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        ({}, "an event names no request"),
        ({"to_version": 1, "reason": "because", "by": "admin"}, "an event names no request"),
        ({"request": "never-written"}, "there is no request 'never-written'"),
        ({"request": ["of-ada"]}, "an event names no request"),
        ({"request": "broken"}, "`to_version` of the request 'broken' is '1'"),
    ],
)
def test_an_event_alone_rolls_nothing_back(three: WatchingServer, extra: dict[str, Any], found: str) -> None:
    ask("broken", {"to_version": "1"})

    ti = roll_back("rollback_unasked", extra)

    assert ti.state == "failed"
    assert three.serving() == [3]
    assert "released" in last(three)
    with pytest.raises(UsageError, match="right to edit assets") as refused:
        take_request(context(extra, {"broken": {"to_version": "1"}}), ASSET)
    assert found in str(refused.value)


def context(extra: dict[str, Any], requests: dict[str, Any]) -> Any:
    """The context of run "this", which one event has started."""

    class Store:
        def get(self, key: str) -> Any:
            return requests.get(key.removeprefix(REQUEST_PREFIX))

    event = Event(extra)
    return {"triggering_asset_events": {ASSET: [event]}, "asset_state_store": {ASSET: Store()}, "run_id": "this"}


def test_a_request_counts_also_next_to_later_events_that_name_none(three: WatchingServer) -> None:
    ask("beside-noise", {"to_version": 2, "reason": "seams", "by": "Ada"})

    ti = roll_back("rollback_beside", {"request": "beside-noise"}, {}, {"request": "guessed"})

    assert ti.state == "success"
    three.wait_until_serving(2)


def test_a_request_that_is_done_is_not_repeated_by_clearing_its_run(three: WatchingServer) -> None:
    ask("cleared", {"to_version": 2, "reason": "seams", "by": "Ada"})
    ti = roll_back("rollback_cleared", {"request": "cleared"})
    left = stored("cleared")

    assert (left["run_id"], left["done"]) == (ti.run_id, True)
    with pytest.raises(UsageError, match="the request 'cleared' is done"):
        take_request(context({"request": "cleared"}, {"cleared": left}) | {"run_id": ti.run_id}, ASSET)


def test_a_request_is_good_for_one_run_only(three: WatchingServer) -> None:
    ask("once", {"reason": "seams", "by": "Ada"})
    assert roll_back("rollback_once", {"request": "once"}).state == "success"
    three.wait_until_serving(2)

    ti = roll_back("rollback_twice", {"request": "once"})

    assert ti.state == "failed"
    assert three.serving() == [2]
