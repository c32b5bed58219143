"""
A model base path, a server, and a release in some state: version 1 is in service, and a version 2 may be AVAILABLE too.

By labels the server polls a model config file, and releases move the label ``stable``. By directory it watches the base
path, and keeps the two highest versions loaded, so that there is always a right answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tendies_ops.publish.layout import JOURNAL_NAME, STATE_DIRECTORY
from tendies_ops.release import reject_model, release_model, review_model, rollback_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import MODEL_NAME, make_candidate, picture
from tests.support.model_server import RunningServer
from tests.support.shift_server import start_shift_server

Way = Literal["directory", "labels"]
IN_SERVICE_BY = 10  #: what version 1 adds to every value of a picture
_FLAGS = ("--max_num_load_retries=0", "--num_load_threads=2", "--allow_version_labels_for_unavailable_models")
_RELEASE = "import sys; from tendies_ops.cli.main import main; sys.argv[0] = 'tendies'; main()"


@dataclass
class ServiceWorld:
    """One way to swap, and what releases have left."""

    way: Way
    root: Path
    server: RunningServer
    releases: list[subprocess.Popen[bytes]] = field(default_factory=list)  #: under way, in processes of their own

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def config_file(self) -> Path:
        return self.root / "config" / "models.config"

    @property
    def pictures(self) -> Path:
        return self.root / "pictures"

    @property
    def options(self) -> ReleaseSpec:
        config = self.config_file if self.way == "labels" else None
        return ReleaseSpec(
            available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5, model_config_file=config
        )

    def release(self, by: int, **behaviour: Any) -> None:
        source = make_candidate(self.root / f"export-{by}", by=by, **behaviour)
        release_model(source, self.base, [self.server.url], options=self.options)

    def begin_release(self, source: Path, *, until_proving: int) -> None:
        """Release in a process of its own, and return when it proves version ``until_proving``."""
        flags = [str(source), "--model-base-path", str(self.base), "--server", self.server.url, "--no-rehearsal"]
        flags += ["--model-config-file", str(self.config_file)] if self.way == "labels" else []
        program = [sys.executable, "-c", _RELEASE, "release", *flags]
        with (self.root / "release.log").open("wb") as log:
            process = subprocess.Popen(program, stdout=log, stderr=subprocess.STDOUT)
        self.releases.append(process)
        deadline_s = time.monotonic() + 60
        while self._phase() != ("available", until_proving):
            assert process.poll() is None, (self.root / "release.log").read_text()
            assert time.monotonic() < deadline_s, f"the journal says {self._phase()}"
            time.sleep(0.005)

    def kill_releases(self) -> None:
        for process in self.releases:
            process.kill()
            process.wait()
        self.releases.clear()

    def _phase(self) -> tuple[str, int] | None:
        try:
            journal = json.loads((self.base / STATE_DIRECTORY / JOURNAL_NAME).read_text())
        except FileNotFoundError:
            return None
        return journal["phase"], journal["version"]


@contextmanager
def open_world(root: Path, way: Way, *, loaded: int = 2) -> Iterator[ServiceWorld]:
    """
    Start a server on an empty base path; stopped at the end, with every release that is still under way.

    :param loaded: how many versions it keeps loaded by directory; Model Server's default is 1.
    """
    for name in ("base", "config", "pictures"):
        (root / name).mkdir(parents=True)
    policy = f"model_version_policy {{ latest {{ num_versions: {loaded} }} }}" if way == "directory" else ""
    entry = f'name: "{MODEL_NAME}" base_path: "{root / "base"}" model_platform: "tensorflow" {policy}'
    (root / "config" / "models.config").write_text(f"model_config_list {{ config {{ {entry} }} }}\n")
    for seed in range(2):
        (root / "pictures" / f"{seed}.png").write_bytes(picture(seed + 40))
    flags = (f"--model_config_file={root / 'config' / 'models.config'}", "--model_config_file_poll_wait_seconds=0.1")
    world = ServiceWorld(way, root, start_shift_server(None, *flags, *_FLAGS))
    try:
        yield world
    finally:
        world.kill_releases()
        world.server.kill()


def prove_a_candidate(world: ServiceWorld) -> None:
    """A release is proving version 2, which takes a minute for an answer."""
    world.release(IN_SERVICE_BY)
    candidate = make_candidate(world.root / "candidate", by=20, answer_s=60)
    world.begin_release(candidate, until_proving=2)
    world.server.wait_for(MODEL_NAME, 2)


def kill_in_the_proof(world: ServiceWorld) -> None:
    """The release of version 2 was killed while it proved it."""
    prove_a_candidate(world)
    world.kill_releases()


def reject_a_candidate(world: ServiceWorld) -> None:
    """A user has rejected the candidate, which had no number yet."""
    world.release(IN_SERVICE_BY)
    candidate = make_candidate(world.root / "candidate", by=20)
    review_model(candidate, world.base, [world.server.url], options=world.options)
    reject_model(candidate, world.base, rejected_by="Ada", reason="too dark")


def roll_back(world: ServiceWorld) -> None:
    """Version 2 was released and rolled back."""
    world.release(IN_SERVICE_BY)
    world.release(20)
    rollback_model(world.base, [world.server.url], options=world.options)


def release_the_same_content(world: ServiceWorld) -> None:
    """The content of version 1 was released once more, and that was killed in its proof."""
    world.release(IN_SERVICE_BY, answer_s=0.3)
    again = make_candidate(world.root / "again", by=IN_SERVICE_BY, answer_s=0.3)
    world.begin_release(again, until_proving=1)
    world.kill_releases()


SITUATIONS: dict[str, Callable[[ServiceWorld], None]] = {
    "a release in its proof": prove_a_candidate,
    "killed in its proof": kill_in_the_proof,
    "rejected by a user": reject_a_candidate,
    "rolled back": roll_back,
    "content already there": release_the_same_content,
}
