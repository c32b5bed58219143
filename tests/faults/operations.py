"""The operations that faults meet: how each is called, and what is true when it has gone through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults import checker
from tests.faults.world import World, wait_until_serving
from tests.support.candidates import MODEL_NAME, picture, shift

_BATCH = 4


@dataclass(frozen=True)
class Operation:
    """
    One thing that a user or a schedule asks for.

    :param versions: in the base path beforehand; the highest serves.
    :param command: the command line.
    :param changes: the folders in which it changes something: where its disk fails.
    :param parts: of the package, that do the work: where it is killed.
    :param done: what is wrong after it has gone through.
    :param prepare: what must have happened before.
    """

    versions: int
    command: Callable[[World], Sequence[object]]
    changes: Callable[[World], Sequence[Path | str]]
    parts: tuple[str, ...]
    done: Callable[[World], list[str]]
    prepare: Callable[[World], None] = lambda _: None
    slow: bool = False  #: starts TensorFlow


def _serves(world: World, by: int, below: Sequence[int]) -> list[str]:
    """The version that moves every value by ``by`` serves; its number depends on what was withdrawn before."""
    *found, version = checker.versions(world.base)
    wait_until_serving(world, version)
    wrong = [] if found == list(below) else [f"below version {version} there are {found}, not {list(below)}"]
    if checker.predict(world.server.url, picture(99)) != shift(picture(99), by):
        wrong.append(f"version {version}, which serves, is not the one that was meant")
    return wrong + checker.promises(world.server.url, world.base, version) + world.look(settled=True)


def _publish(world: World) -> Sequence[object]:
    return ("publish", world.candidate(30), "--model-base-path", world.base, "--no-check", "--lock-timeout-s", 20)


def _release(world: World) -> Sequence[object]:
    where = ("--model-base-path", world.base, "--server", world.wire.url)
    return ("release", world.candidate(30), *where, "--no-rehearsal", "--timeout-s", 20, "--keep-versions", 5)


def _rollback(world: World) -> Sequence[object]:
    where = ("--model-base-path", world.base, "--server", world.wire.url)
    return ("rollback", *where, "--to", 1, "--timeout-s", 20)


def _retention(world: World) -> Sequence[object]:
    where = ("--model-base-path", world.base, "--server", world.wire.url)
    return ("release", world.candidate(50), *where, "--no-rehearsal", "--timeout-s", 20, "--keep-versions", 2)


def _export(world: World) -> Sequence[object]:
    return ("export", world.folder / "spec.yaml", "--output", world.folder / "model")


def _exported(world: World) -> list[str]:
    leftovers = [path.name for path in world.folder.iterdir() if path.name.startswith(".model")]
    return checker.exported(world.folder / "model") + [f"{name} was left behind" for name in leftovers]


def _batch(world: World) -> Sequence[object]:
    where = ("--server", world.wire.url, "--model", MODEL_NAME, "--model-base-path", world.base)
    limits = ("--max-batch-size", _BATCH, "--max-concurrency", 2, "--timeout-s", 2, "--sick-deadline-s", 20)
    return ("batch", world.pictures, world.results, *where, *limits)


def _batch_done(world: World) -> list[str]:
    version = max(checker.versions(world.base))
    return checker.batch(world.pictures, world.results, world.wanted(10 * version), settled=True)


def _half_a_batch(world: World) -> None:
    """A run that was killed in its middle."""
    world.make_pictures()
    kill = {"kind": "at_file_operation", "number": 16, "then": "kill", "under": [str(world.results)]}
    assert world.tendies(*_batch(world), faults=(kill,)).killed


def _whole_batch(world: World) -> None:
    world.make_pictures()
    ended = world.tendies(*_batch(world))
    assert ended.status == 0, ended.err


_RELEASE_PARTS = ("publish/", "release/", "files/")
OPERATIONS: dict[str, Operation] = {
    "publish": Operation(2, _publish, lambda w: [w.base], ("publish/", "files/"), lambda w: _serves(w, 30, [1, 2])),
    "release": Operation(2, _release, lambda w: [w.base], _RELEASE_PARTS, lambda w: _serves(w, 30, [1, 2])),
    "rollback": Operation(2, _rollback, lambda w: [w.base], _RELEASE_PARTS, lambda w: _serves(w, 10, [])),
    "retention": Operation(
        4,
        _retention,
        lambda w: [f"{w.base}/{name}" for name in ("1", "2", "3", ".tendies-trash")],
        ("publish/retention.py", "publish/layout.py", "release/forward/commit.py"),
        lambda w: _serves(w, 50, [4]),
    ),
    "batch": Operation(2, _batch, lambda w: [w.results], ("inference/",), _batch_done, World.make_pictures),
    "resume": Operation(2, _batch, lambda w: [w.results], ("inference/",), _batch_done, _half_a_batch),
    "report": Operation(
        2,
        _batch,
        lambda w: [w.results / ".tendies" / "runs"],
        ("inference/report/run_files.py", "inference/report/batch_report.py", "reports/"),
        _batch_done,
        _whole_batch,
    ),
    "export": Operation(
        1,
        _export,
        lambda w: [w.folder / "model", f"{w.folder}/.model"],
        ("export/parent_process.py", "files/"),
        _exported,
        lambda w: write_spec(w.folder),
        slow=True,
    ),
}


def write_spec(folder: Path) -> None:
    """A network of one convolution, and its checkpoint, which the session has made."""
    source = folder.parent / "small"
    (folder / "spec.yaml").write_text(
        f"model_name: small\nsource:\n  checkpoint: {source}/tf2\n  builder: {source}/small.py:model\n"
        "contract:\n  input: {range: {low: -1, high: 1}}\n  output: {range: {low: -1, high: 1}}\n",
        encoding="utf-8",
    )
