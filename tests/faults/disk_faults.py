"""What a disk does."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.injection import Injection, Make
from tests.faults.launching import Fault
from tests.faults.operations import Operation
from tests.faults.world import World


def _folders(world: World, operation: Operation) -> list[str]:
    return [str(folder) for folder in operation.changes(world)]


def on_disk(then: str) -> Make:
    def make(world: World, operation: Operation, point: int) -> Injection:
        words = {"number": point, "then": then, "under": _folders(world, operation)}
        return Injection(({"kind": "at_file_operation", **words},))

    return make


def count_changes(world: World, operation: Operation, into: Path) -> Fault:
    words = {"number": 0, "then": "count", "under": _folders(world, operation)}
    return {"kind": "at_file_operation", "count_into": str(into), **words}


def count_creations(world: World, operation: Operation, into: Path) -> Fault:
    return {**count_changes(world, operation, into), "then": "count_new"}


def failing_sync(_world: World, _operation: Operation, point: int) -> Injection:
    return Injection(({"kind": "failing_sync", "number": point},))


def count_syncs(_world: World, _operation: Operation, into: Path) -> Fault:
    return {"kind": "failing_sync", "number": 0, "count_into": str(into)}


def no_inodes(world: World, operation: Operation, point: int) -> Injection:
    """The place where the operation writes becomes a small file system; ``mend`` gives it more room."""
    place = world.results if operation.changes(world) == [world.results] else world.base
    free = [3, 9, 14, 24, 40][point % 5]

    def mount(options: str) -> None:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"{done.stderr.decode().strip()}: no file system can be mounted here")

    def before() -> None:
        aside = shutil.copytree(place, world.folder / "aside") if place.exists() else None
        place.mkdir(exist_ok=True)
        world.server.stop()
        mount("size=64m,nr_inodes=100000")
        world.mounted.append(place)
        if aside is not None:
            shutil.copytree(aside, place, dirs_exist_ok=True)
        world.server.start()
        used = os.statvfs(place).f_files - os.statvfs(place).f_ffree
        mount(f"remount,nr_inodes={used + free}")

    return Injection(before=before, mend=lambda: mount("remount,nr_inodes=100000"))


def file_may_not_grow(_world: World, operation: Operation, _point: int) -> Injection:
    return Injection(({"kind": "largest_file", "size_bytes": 3000 if operation.parts[0] == "inference/" else 900},))


def unreadable(world: World, operation: Operation, _point: int) -> Injection:
    if operation.parts[0] == "inference/":
        return Injection(({"kind": "unreadable", "name": "/in/007.png"},))
    folder = "/base/1/" if operation.versions == 2 and "rollback" in operation.command(world) else "/candidate-30/"
    return Injection(({"kind": "unreadable", "name": f"{folder}variables/variables.data-00000-of-00001"},))


def no_right(world: World, operation: Operation, _point: int) -> Injection:
    """Modes count, also for root."""
    place = _place_without_right(world, operation)

    def before() -> None:
        place.mkdir(exist_ok=True)
        place.chmod(0o555)

    def mend() -> None:
        for folder in (world.folder, *world.folder.rglob("*")):  # it may have been moved meanwhile
            if folder.is_dir() and folder.stat().st_mode & 0o777 == 0o555:
                folder.chmod(0o755)

    return Injection(({"kind": "no_capabilities"},), before=before, mend=mend)


def _place_without_right(world: World, operation: Operation) -> Path:
    if operation.slow:
        return world.folder
    if operation.versions == 4:
        return world.base / "1" / "variables"  # retention cannot empty it
    first = operation.changes(world)[0]
    return Path(first)
