"""Pictures that arrive in a folder or a bucket start a batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tendies_ops.dag_factory import batch_dag
from tendies_ops.errors import SpecError
from tendies_ops.spec import ModelSpec
from tendies_ops.triggers.pictures import PicturesTrigger
from tendies_ops.triggers.pictures_watch import ANNOUNCED_KEY
from tests.with_airflow.test_triggers import Store, made_again, next_event, until


def watch(place: str, store: Store, **arguments: Any) -> AsyncIterator[Any]:
    given = {"place": place, "model_name": "m", "poll_interval_s": 0.02, "quiet_s": 0.05, "every_s": 0, **arguments}
    trigger = made_again(PicturesTrigger(**given))
    trigger.asset_state_store = store
    events: AsyncIterator[Any] = trigger.run()
    return events


def put(folder: str, *names: str) -> None:
    for name in names:
        with fsspec.open(f"{folder}/{name}", "wb", auto_mkdir=True) as stream:
            stream.write(b"a picture")


@pytest.fixture(params=["a folder", "a bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "a folder" else f"memory://{tmp_path.name}"


def pictures_in(store: Store) -> Callable[[], bool]:
    return lambda: store.values.get(ANNOUNCED_KEY, {}).get("pictures") == 3


def test_files_are_announced_once_and_a_restarted_watcher_goes_on(place: str) -> None:
    store = Store()
    put(place, "a.png", "b/c.jpg", "b/d.jpg", "b/e.jpg.part", "notes.txt", ".hidden.png", "results/a.png")

    async def scenario() -> list[int]:
        announced = []
        first = watch(place, store, leave_out=f"{place}/results")
        announced.append((await next_event(first))["pictures"])
        waiting = asyncio.ensure_future(next_event(first))
        await until(pictures_in(store))
        waiting.cancel()  # the triggerer has stopped
        put(place, "b/e.jpg")
        second = watch(place, store, leave_out=f"{place}/results")
        announced.append((await next_event(second))["pictures"])
        waiting = asyncio.ensure_future(next_event(second))
        await until(lambda: store.values[ANNOUNCED_KEY]["pictures"] == 4)
        waiting.cancel()
        with pytest.raises(asyncio.TimeoutError):
            await next_event(watch(place, store, leave_out=f"{place}/results"), timeout_s=0.5)
        return announced

    assert asyncio.run(scenario()) == [3, 4]


def test_the_watcher_outlives_a_folder_that_is_not_there_and_a_store_that_fails(tmp_path: Path) -> None:
    store = Store()

    async def scenario() -> Any:
        store.broken = True
        waiting = asyncio.ensure_future(next_event(watch(str(tmp_path / "later"), store)))
        await asyncio.sleep(0.1)
        store.broken = False
        await asyncio.sleep(0.1)
        put(str(tmp_path / "later"), "a.png")
        return await waiting

    assert asyncio.run(scenario()) == {"input": str(tmp_path / "later"), "pictures": 1}


def spec(**batch: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, "batches": {"acme": batch}})


def watchers(made: ModelSpec) -> list[Any]:
    condition: Any = batch_dag(made, "acme").timetable.asset_condition
    return [watcher for asset in condition.objects for watcher in asset.watchers]


def test_a_spec_has_its_input_watched_if_it_asks_for_it() -> None:
    folders = {"input": "/in/{{ run_id }}", "output": "/in/out/x", "include": ["*.jpg"]}
    times = {"watch_interval_s": 5, "watch_quiet_s": 6, "watch_every_s": 7}

    [watcher] = watchers(spec(**folders, airflow={"watch_input": True, **times}))
    assert watchers(spec(**folders)) == []
    assert watcher.trigger.serialize()[1] == {
        "place": "/in",
        "model_name": "m",
        "batch": "acme",
        "leave_out": "/in/out/x",
        "include": ["*.jpg"],
        "exclude": [],
        "include_hidden": False,
        "poll_interval_s": 5,
        "quiet_s": 6,
        "every_s": 7,
    }


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ({"input": "{{ params.input }}", "output": "/out"}, "has no fixed folder"),
        ({"output": "/out"}, "has no fixed folder"),
        ({"input": "/data/{{ run_id }}", "output": "/data/{{ run_id }}/out"}, "the results would be in /data as well"),
    ],
)
def test_an_input_that_cannot_be_watched_is_refused(folders: dict[str, str], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        batch_dag(spec(**folders, airflow={"watch_input": True}), "acme")
