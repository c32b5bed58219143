"""Triggers as the triggerer runs them."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from airflow.sdk.module_loading import import_string  # type: ignore[attr-defined]  # it hands on another module's
from airflow.triggers.base import BaseTrigger, TriggerEvent

from tendies_ops.hooks.model_server import ModelServerHook
from tendies_ops.publish.leases import hold_lease
from tendies_ops.triggers import checkpoint
from tendies_ops.triggers import leases_end as leases
from tendies_ops.triggers import version_serves as model_version
from tendies_ops.triggers.checkpoint import CheckpointTrigger
from tendies_ops.triggers.checkpoint_watch import WATERMARK_KEY, find_checkpoints
from tendies_ops.triggers.leases_end import LeasesEndTrigger
from tendies_ops.triggers.version_serves import ModelVersionTrigger
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.watching_server import WatchingServer
from tests.unit.triggers.test_checkpoint_watch import write_checkpoint


class Store:
    """The asset's state store as the triggerer injects it, in memory; it can be made to fail."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.broken = False

    async def aget(self, key: str, default: Any = None) -> Any:
        self._check()
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self._check()
        self.values[key] = value

    def _check(self) -> None:
        if self.broken:
            raise ConnectionError("the API server is away")


def made_again(trigger: BaseTrigger) -> Any:
    """What another triggerer makes of what was stored."""
    path, arguments = trigger.serialize()
    return import_string(path)(**arguments)


def watch(directory: Path, store: Store, **arguments: Any) -> CheckpointTrigger:
    trigger = CheckpointTrigger(directory=str(directory), model_name="m", poll_interval_s=0.02, **arguments)
    trigger.asset_state_store = store  # type: ignore[assignment]
    return trigger


async def next_event(events: AsyncIterator[TriggerEvent], timeout_s: float = 10.0) -> Any:
    event = await asyncio.wait_for(anext(events), timeout_s)
    return event.payload


async def until(check: Callable[[], Any]) -> None:
    for _ in range(1000):
        if check():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


def test_the_watcher_announces_and_a_restarted_one_goes_on(tmp_path: Path) -> None:
    store = Store()

    async def scenario() -> list[int]:
        steps = []
        first = watch(tmp_path, store).run()
        waiting = asyncio.ensure_future(next_event(first))
        await until(lambda: WATERMARK_KEY in store.values)
        write_checkpoint(tmp_path, 9)
        steps.append((await waiting)["step"])
        waiting = asyncio.ensure_future(next_event(first))
        await until(lambda: store.values[WATERMARK_KEY]["step"] == 9)
        waiting.cancel()  # the triggerer is gone
        write_checkpoint(tmp_path, 10)
        second = made_again(watch(tmp_path, store))
        second.asset_state_store = store
        steps.append((await next_event(second.run()))["step"])
        return steps

    assert asyncio.run(scenario()) == [9, 10]


def test_the_watcher_outlives_a_directory_that_is_not_there_and_a_store_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    directory = tmp_path / "later"

    async def scenario() -> Any:
        store.broken = True
        trigger = watch(directory, store, replay_backlog=True)
        waiting = asyncio.ensure_future(next_event(trigger.run()))
        await asyncio.sleep(0.1)
        store.broken = False
        await asyncio.sleep(0.1)
        directory.mkdir()
        write_checkpoint(directory, 3)
        return await waiting

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(scenario())["step"] == 3


def test_an_event_says_what_has_arrived(tmp_path: Path) -> None:
    prefix = write_checkpoint(tmp_path, 5, mtime_s=1000)

    payload = asyncio.run(next_event(watch(tmp_path, Store(), replay_backlog=True).run()))

    assert payload == {"checkpoint": prefix, "step": 5, "size_bytes": 14, "mtime_ns": 1000 * 10**9}


def test_the_watchers_of_two_models_over_one_directory_stay_apart() -> None:
    """Airflow gives triggers with equal arguments one row, and their state store then raises ValueError."""
    one, other = (CheckpointTrigger(directory="/train", model_name=name) for name in ("day", "night"))

    assert one.serialize() != other.serialize()


@pytest.fixture
def no_first_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (leases, model_version):
        monkeypatch.setattr(module, "FIRST_LOOK_AFTER_S", 0.0)


def wait_for(server: WatchingServer, **arguments: Any) -> Any:
    trigger = ModelVersionTrigger(
        model_server_conn_id="absent", servers=[server.url], model_name=MODEL_NAME, poll_interval_s=0.05, **arguments
    )
    return asyncio.run(next_event(made_again(trigger).run()))


@pytest.fixture
def hung_server() -> Iterator[str]:
    """The address of a server that accepts connections and never answers, as under SIGSTOP."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.usefixtures("no_first_pause")
def test_thirty_waits_on_a_hung_server_hold_up_no_other_model(
    hung_server: str, server: WatchingServer, tmp_path: Path
) -> None:
    make_candidate(tmp_path / "c").rename(server.base / "1")

    def waits_on(url: str) -> Any:
        trigger = ModelVersionTrigger(
            model_server_conn_id="absent", servers=[url], model_name=MODEL_NAME, poll_interval_s=0.05, newer_than=0
        )
        return asyncio.ensure_future(next_event(trigger.run(), 120.0))

    async def scenario() -> tuple[Any, Any, bool]:
        stuck = [waits_on(hung_server) for _ in range(30)]
        await asyncio.sleep(0.2)  # all of them have asked
        watched = asyncio.ensure_future(next_event(watch(tmp_path, Store(), replay_backlog=True).run(), 20.0))
        write_checkpoint(tmp_path, 9)
        found = await asyncio.gather(watched, asyncio.wait_for(waits_on(server.url), 20.0))
        still_stuck = not any(one.done() for one in stuck)
        for one in stuck:
            one.cancel()
        return (*found, still_stuck)

    checkpoint, version, still_stuck = asyncio.run(scenario())

    assert (checkpoint["step"], version["state"]) == (9, "reached")
    assert still_stuck


@pytest.mark.usefixtures("no_first_pause")
def test_a_wait_outlives_an_api_server_that_is_away(
    server: WatchingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_candidate(tmp_path / "c").rename(server.base / "1")
    right, calls = ModelServerHook.aresolve, 0

    async def away_at_first(hook: ModelServerHook, servers: tuple[str, ...] = ()) -> Any:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise RuntimeError("API_SERVER_ERROR: 500 Database error")
        return await right(hook, servers)

    monkeypatch.setattr(ModelServerHook, "aresolve", away_at_first)

    assert wait_for(server, version=1)["state"] == "reached"


def test_a_directory_that_hangs_is_reported_and_watched_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    mended = threading.Event()

    def hangs(directory: Path) -> Any:
        mended.wait(60)
        return find_checkpoints(directory)

    monkeypatch.setattr(checkpoint, "_LONGEST_LOOK_S", 0.05)
    monkeypatch.setattr(checkpoint, "find_checkpoints", hangs)
    write_checkpoint(tmp_path, 3)

    async def scenario() -> Any:
        waiting = asyncio.ensure_future(next_event(watch(tmp_path, Store(), replay_backlog=True).run(), 60.0))
        await until(lambda: "no answer within" in caplog.text + capsys.readouterr().out)
        mended.set()
        return await waiting

    assert asyncio.run(scenario())["step"] == 3


@pytest.mark.usefixtures("no_first_pause")
def test_the_wait_ends_when_the_version_serves(server: WatchingServer, tmp_path: Path) -> None:
    make_candidate(tmp_path / "c", load_s=0.3).rename(server.base / "4")

    assert wait_for(server, version=4) == {
        "state": "reached",
        "version": 4,
        "words": "version 4 is AVAILABLE on every replica (1)",
    }


@pytest.mark.usefixtures("no_first_pause")
def test_the_wait_ends_when_the_version_cannot_be_loaded(server: WatchingServer, tmp_path: Path) -> None:
    make_candidate(tmp_path / "good").rename(server.base / "1")
    server.wait_until_serving(1)
    make_candidate(tmp_path / "bad", error="DATA_LOSS: truncated").rename(server.base / "2")

    event = wait_for(server, version=2)

    assert event["state"] == "load_failed"
    assert "DATA_LOSS: truncated" in event["words"]


@pytest.mark.usefixtures("no_first_pause")
def test_the_wait_ends_at_its_deadline_with_what_was_seen_last(server: WatchingServer) -> None:
    event = wait_for(server, version=2, deadline_unix_s=0.0)

    assert event["state"] == "timed_out"
    assert server.url in event["words"]


def test_no_event_comes_so_soon_that_airflow_would_fail_the_task(
    monkeypatch: pytest.MonkeyPatch, server: WatchingServer
) -> None:
    async def first_pause(seconds: float) -> None:
        pauses.append(seconds)

    pauses: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", first_pause)
    wait_for(server, version=2, deadline_unix_s=0.0)
    wait_for_leases(server.base, deadline_unix_s=0.0)

    assert pauses == [10.0, 10.0]


def wait_for_leases(base: Path, *, deadline_unix_s: float) -> Any:
    trigger = LeasesEndTrigger(
        model_base_path=str(base), model_digest="sha256:new", deadline_unix_s=deadline_unix_s, poll_interval_s=0.05
    )
    return asyncio.run(next_event(made_again(trigger).run()))


@pytest.mark.usefixtures("no_first_pause")
def test_a_wait_for_batch_runs_ends_with_the_last_of_them(server: WatchingServer, tmp_path: Path) -> None:
    make_candidate(tmp_path / "c").rename(server.base / "1")
    runs = ExitStack()
    runs.enter_context(hold_lease(server.base, 1, holder="run of the night"))
    Timer(0.3, runs.close).start()
    deadline_unix_s = time.time() + 10

    event = wait_for_leases(server.base, deadline_unix_s=deadline_unix_s)

    assert event == {"words": "", "deadline_unix_s": deadline_unix_s}


@pytest.mark.usefixtures("no_first_pause")
def test_a_wait_for_batch_runs_ends_at_its_deadline_and_names_them(server: WatchingServer, tmp_path: Path) -> None:
    make_candidate(tmp_path / "c").rename(server.base / "1")

    with hold_lease(server.base, 1, holder="run of the night"):
        assert "run of the night" in wait_for_leases(server.base, deadline_unix_s=0.0)["words"]


@pytest.mark.usefixtures("no_first_pause")
def test_a_triggerer_that_cannot_see_the_directory_leaves_the_wait_to_the_worker(tmp_path: Path) -> None:
    assert wait_for_leases(tmp_path / "of another host", deadline_unix_s=time.time() + 10)["words"] == ""
