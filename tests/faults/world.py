"""What a fault meets: a base path with versions, a server over it, a wire to the server, pictures and results."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import checker
from tests.faults.launching import Ended, Fault, Launcher, Server
from tests.faults.wire import Wire
from tests.support.candidates import make_candidate, picture, shift

PICTURES = 24


@dataclass
class World:
    """One base path and all around it, for one test."""

    folder: Path
    launcher: Launcher
    base: Path
    server: Server
    wire: Wire
    seen: dict[int, str] = field(default_factory=dict)  #: for the checker
    mounted: list[Path] = field(default_factory=list)

    @property
    def pictures(self) -> Path:
        return self.folder / "in"

    @property
    def results(self) -> Path:
        return self.folder / "out"

    def tendies(self, *argv: object, faults: tuple[Fault, ...] = (), timeout_s: float = 60.0) -> Ended:
        return self.launcher.tendies(*argv, faults=faults, timeout_s=timeout_s)

    def candidate(self, by: int, **behaviour: Any) -> Path:
        """A version to publish, which moves every value by ``by``."""
        folder = self.folder / f"candidate-{by}"
        return folder if folder.exists() else make_candidate(folder, by=by, **behaviour)

    def serving(self) -> list[int]:
        """As the server itself says, past the wire."""
        return checker.serving(self.server.url)

    def make_pictures(self, count: int = PICTURES) -> None:
        self.pictures.mkdir()
        for seed in range(count):
            (self.pictures / f"{seed:03}.png").write_bytes(picture(seed))

    def wanted(self, by: int) -> dict[str, Any]:
        """What the results of a batch with a version must be."""
        return {path.stem: checker.pixels(shift(path.read_bytes(), by)) for path in self.pictures.iterdir()}

    def look(self, *, settled: bool) -> list[str]:
        """What is wrong in the base path."""
        return checker.base_path(self.base, self.seen, settled=settled)


def make_base(launcher: Launcher, folder: Path, versions: int) -> Path:
    """A base path with released versions 1, 2, ..., which move every value by 10, 20, ..."""
    base = folder / "base"
    base.mkdir(parents=True)
    server = Server(launcher, base)
    for number in range(1, versions + 1):
        candidate = make_candidate(folder / f"{number}", by=10 * number)
        release = ("release", candidate, "--model-base-path", base, "--server", server.url, "--no-rehearsal")
        ended = launcher.tendies(*release, "--keep-versions", 9)
        assert ended.status == 0, ended.err
    server.stop()
    return base


@contextmanager
def make_world(launcher: Launcher, folder: Path, template: Path) -> Iterator[World]:
    """A copy of ``template`` is served; waits until it is."""
    folder.mkdir(parents=True, exist_ok=True)
    base = Path(shutil.copytree(template, folder / "base"))
    server = Server(launcher, base)
    with Wire(server.url) as wire:
        world = World(folder, launcher, base, server, wire)
        wait_until_serving(world, max(checker.versions(base)))
        try:
            yield world
        finally:
            server.stop()
            for place in world.mounted:
                subprocess.run(["umount", place], check=True)


def wait_until_serving(world: World, version: int, *, timeout_s: float = 20.0) -> None:
    """:raises AssertionError: it does not."""
    deadline_s = time.monotonic() + timeout_s
    found: object = None
    while time.monotonic() < deadline_s:
        try:
            found = world.serving()
        except OSError as error:
            found = error
        if found == [version]:
            return
        time.sleep(0.02)
    raise AssertionError(f"version {version} is not served: {found}")
