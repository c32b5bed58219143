"""The story of a release agrees with servers and history, whatever became of it, with one replica and with twelve."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tendies_ops.errors import ReleaseError
from tendies_ops.publish.history import read_history
from tendies_ops.release import release_model
from tendies_ops.web.sources.known import Catalogues
from tendies_ops.web.sources.server_states import ServerStates
from tendies_ops.web.views.models_view import ModelPicture, read_model
from tendies_ops.web.views.release_story import Story, find_story
from tests.e2e.release.killed_in_phase import OPTIONS
from tests.support.candidates import MODEL_NAME, make_candidate
from tests.support.specs import write_specs
from tests.support.watching_server import WatchingServer

_ENDS = {"released": "released", "withdrawn": "withdrawn"}


@dataclass
class World:
    """Replicas that watch one model base path, and version 1 in service."""

    root: Path
    servers: list[WatchingServer]
    made: int = 1

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def candidate(self, **behaviour: object) -> Path:
        self.made += 1
        return make_candidate(self.root / f"candidate-{self.made}", by=self.made, **behaviour)  # type: ignore[arg-type]

    def view(self) -> ModelPicture:
        model = Catalogues(self.root / "specs").read().get(MODEL_NAME)
        assert model is not None
        return read_model(model, ServerStates(timeout_s=5).of(MODEL_NAME, model.location))

    def available(self) -> list[set[int]]:
        """Ask each replica without any code of ours."""
        found = []
        for url in self.urls:
            with urllib.request.urlopen(f"{url}/v1/models/{MODEL_NAME}", timeout=10) as answer:
                entries = json.load(answer)["model_version_status"]
            found.append({int(entry["version"]) for entry in entries if entry["state"] == "AVAILABLE"})
        return found

    def wait_until_settled(self) -> None:
        """Wait until no replica loads or unloads a version any more."""
        before: list[set[int]] = []
        for _ in range(200):
            now = self.available()
            if now == before and all(versions == now[0] for versions in now):
                return
            before = now
            time.sleep(0.1)
        raise AssertionError(f"the replicas still change: {before}")


@pytest.fixture(params=[1, 12], ids=["1 replica", "12 replicas"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "base").mkdir()
    make_candidate(tmp_path / "first", by=1).rename(tmp_path / "base" / "1")
    with ExitStack() as running:
        world = World(tmp_path, [])
        for _ in range(request.param):  # one serves, and so holds its port, before the next one chooses
            world.servers.append(running.enter_context(WatchingServer(world.base)))
            world.servers[-1].wait_until_serving(1)
        release = {"model_base_path": str(world.base), "servers": world.urls}
        write_specs(tmp_path / "specs", {"model_name": MODEL_NAME, "release": release})
        yield world


def story_of(world: World, version: int) -> Story:
    """Return the story of a version, after it was compared with servers and history."""
    world.wait_until_settled()
    view = world.view()
    story = find_story(view, str(version))
    assert story is not None
    ends = [record.event for record in read_history(world.base) if record.version == version and record.event in _ENDS]
    assert story.state == (_ENDS[ends[0]] if ends else "stopped")
    assert bool(story.failure) == (story.state == "withdrawn")
    in_service = view.in_service.version
    assert in_service is None or all(in_service in versions for versions in world.available())
    if story.state == "released" and version == max(set.union(*world.available())):
        assert in_service == version
    return story


def test_a_release_that_succeeds_is_reported_as_released_and_in_service(world: World) -> None:
    report = release_model(world.candidate(), world.base, world.urls, options=OPTIONS)
    story = story_of(world, report.version)
    assert story.state == "released"
    assert story.facts is not None
    assert len(story.facts.lanes) == len(world.servers)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ({"error": "INTERNAL: no kernel"}, "could not load it: INTERNAL: no kernel"),
        ({"promised_by": 77}, "differs"),
        ({"answer_error": "Matrix size-incompatible"}, "Matrix size-incompatible"),
    ],
    ids=["loading", "pixels", "prediction"],
)
def test_a_release_that_fails_is_reported_as_withdrawn_with_its_reason(
    world: World, behaviour: dict[str, object], reason: str
) -> None:
    with pytest.raises(ReleaseError):
        release_model(world.candidate(**behaviour), world.base, world.urls, options=OPTIONS)
    story = story_of(world, 2)
    assert story.state == "withdrawn"
    assert reason in story.failure
    assert story.state_of("swap") == "withdrawn"
    assert world.view().in_service.version == 1


@pytest.mark.parametrize(
    ("phase", "behaviour"),
    [
        ("staged", {}),
        ("loading", {}),
        ("available", {}),
        ("proved", {}),
        ("withdrawing", {"promised_by": 77}),
    ],
)
def test_a_release_that_was_killed_is_reported_as_stopped_until_the_next_one_settles_it(
    world: World, phase: str, behaviour: dict[str, object]
) -> None:
    command = [sys.executable, "-m", "tests.e2e.release.killed_in_phase", phase, str(world.candidate(**behaviour))]
    done = subprocess.run([*command, str(world.base), *world.urls], check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr

    story = story_of(world, 2)
    assert (story.state, story.state_of("swap")) == ("stopped", "stopped")
    assert story.journal is not None
    assert story.journal.phase == phase

    report = release_model(world.candidate(), world.base, world.urls, options=OPTIONS)
    assert story_of(world, report.version).state == "released"
    if find_story(world.view(), "2") is not None:
        assert story_of(world, 2).state in _ENDS.values()
