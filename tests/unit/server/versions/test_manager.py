"""Life cycles on the manager alone, with versions that load as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.signatures import Signature
from tendies_ops.server.status_codes import StatusError
from tendies_ops.server.versions import manager
from tendies_ops.server.versions.manager import Manager

NO_RETRIES = Flags(max_num_load_retries=0)
TICK_S = 0.01
A_FEW_TICKS_S = 5 * TICK_S  # in which nothing should happen


class Version:
    """A servable that notes its end."""

    signatures: Mapping[str, Signature] = MappingProxyType({})

    def __init__(self) -> None:
        self.closed = False

    def run(self, signature: object, inputs: object, *, timeout_ms: int = 0) -> dict[str, Any]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


class World:
    """A manager, and what its loader does for each version."""

    def __init__(self, place: Path, flags: Flags) -> None:
        self.place = place
        self.broken: set[int] = set()
        self.loaded: list[int] = []
        self.servables: dict[int, Version] = {}
        self.manager = Manager(self.load, flags)
        self.manager.start()
        self.manager.end_of_start()

    def load(self, model_name: str, version: int, version_dir: Path) -> Version:
        if version in self.broken:
            raise StatusError("DATA_LOSS", f"version {version} is broken")
        self.loaded.append(version)
        self.servables[version] = Version()
        return self.servables[version]

    def aspire(self, *versions: int) -> None:
        for version in versions:
            (self.place / str(version)).mkdir(exist_ok=True)
        self.manager.set_aspired("m", {version: self.place / str(version) for version in versions})

    def states(self) -> dict[int, str]:
        return {version: status.state for version, status in self.manager.states.of_model("m").items()}

    def wait_for(self, states: dict[int, str]) -> None:
        assert self.manager.states.wait_for(lambda: self.states() == states, timeout_s=5), self.states()


@pytest.fixture
def make_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Flags], World]]:
    monkeypatch.setattr(manager, "TICK_S", TICK_S)
    worlds: list[World] = []

    def make(flags: Flags) -> World:
        worlds.append(World(tmp_path, flags))
        return worlds[-1]

    yield make
    for world in worlds:
        world.manager.stop()


def test_the_old_version_goes_only_after_the_new_one_serves(make_world: Callable[[Flags], World]) -> None:
    world = make_world(NO_RETRIES)
    world.aspire(1)
    world.wait_for({1: "AVAILABLE"})
    world.aspire(2)
    world.wait_for({2: "AVAILABLE", 1: "END"})
    assert world.servables[1].closed
    with world.manager.serving.servable("m", None) as (version, _):
        assert version == 2


def test_a_broken_version_leaves_the_old_one_serving_and_its_number_is_burnt(
    make_world: Callable[[Flags], World],
) -> None:
    world = make_world(NO_RETRIES)
    world.aspire(1)
    world.wait_for({1: "AVAILABLE"})
    world.broken.add(2)
    world.aspire(2)
    world.wait_for({2: "END", 1: "AVAILABLE"})
    world.broken.clear()
    world.aspire(1)
    time.sleep(A_FEW_TICKS_S)
    world.aspire(2)
    time.sleep(A_FEW_TICKS_S)
    assert world.states() == {2: "END", 1: "AVAILABLE"}
    world.aspire(3)
    world.wait_for({3: "AVAILABLE", 2: "END", 1: "END"})
    assert world.loaded == [1, 3]


def test_all_versions_are_unloaded_if_none_is_aspired(make_world: Callable[[Flags], World]) -> None:
    world = make_world(NO_RETRIES)
    world.aspire(1)
    world.wait_for({1: "AVAILABLE"})
    world.aspire()
    world.wait_for({1: "END"})
    with (
        pytest.raises(StatusError, match=r"Servable not found for request: Latest\(m\)"),
        world.manager.serving.servable("m", None),
    ):
        pass
    world.aspire(1)
    world.wait_for({1: "AVAILABLE"})


def test_a_version_is_available_only_when_older_requests_have_ended(
    make_world: Callable[[Flags], World],
) -> None:
    world = make_world(NO_RETRIES)
    world.aspire(1)
    world.wait_for({1: "AVAILABLE"})
    with world.manager.serving.servable("m", None) as (version, servable):
        assert version == 1
        world.aspire(2)
        world.wait_for({2: "LOADING", 1: "AVAILABLE"})
        deadline = time.monotonic() + 2
        while world.manager.serving.available("m") != {1, 2}:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with world.manager.serving.servable("m", None) as (newest, _):
            assert newest == 2
        time.sleep(A_FEW_TICKS_S)
        assert world.states() == {2: "LOADING", 1: "AVAILABLE"}
        assert not servable.closed  # type: ignore[attr-defined]  # it is a Version
    world.wait_for({2: "AVAILABLE", 1: "END"})


def test_a_retry_loads_a_version_that_was_repaired_in_the_meantime(make_world: Callable[[Flags], World]) -> None:
    world = make_world(Flags(max_num_load_retries=50, load_retry_interval_micros=20_000))
    world.broken.add(1)
    world.aspire(1)
    world.wait_for({1: "LOADING"})
    world.broken.clear()
    world.wait_for({1: "AVAILABLE"})


def test_a_newer_version_does_not_wait_for_retries_with_load_threads(make_world: Callable[[Flags], World]) -> None:
    world = make_world(Flags(num_load_threads=2))  # five retries, a minute apart
    world.broken.add(1)
    world.aspire(1)
    world.wait_for({1: "LOADING"})
    world.aspire(2)
    world.wait_for({2: "AVAILABLE", 1: "END"})


def test_the_start_fails_if_the_highest_version_fails(make_world: Callable[[Flags], World]) -> None:
    world = make_world(NO_RETRIES)
    world.broken.add(2)
    world.aspire(1, 2)
    with pytest.raises(StatusError) as caught:
        world.manager.wait_until_serving(["m"], threading.Event())
    assert str(caught.value) == (
        "UNKNOWN: 1 servable(s) did not become available: {{{name: m version: 2} due to error: DATA_LOSS: version 2 is "
        "broken}, }"
    )


def test_a_version_that_is_not_a_directory_is_reported_before_loading(
    make_world: Callable[[Flags], World], tmp_path: Path
) -> None:
    world = make_world(NO_RETRIES)
    (tmp_path / "5").write_text("a file")
    world.manager.set_aspired("m", {5: tmp_path / "5", 6: tmp_path / "6"})
    world.wait_for({6: "END", 5: "END"})
    texts = {version: status.error_message for version, status in world.manager.states.of_model("m").items()}
    reserve = "Error while attempting to reserve resources to load servable {name: m version: %d}: "
    assert texts == {
        5: reserve % 5 + f"{tmp_path}/5; Not a directory",
        6: reserve % 6 + f"{tmp_path}/6 not found",
    }
