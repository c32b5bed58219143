"""Every row of ``matrix.txt``: bring the fault about, and see from outside that the promise is kept."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import checker
from tests.faults.faults import FAULTS
from tests.faults.launching import Launcher
from tests.faults.matrix import Row, outcomes, read_matrix
from tests.faults.operations import OPERATIONS
from tests.faults.outcomes import OUTCOMES, Case
from tests.faults.world import World, make_world

ROWS = read_matrix()
Template = Callable[[int], Path]
_EVERYDAY_POINTS = 1
_EVERYDAY_POINT = 5  # in the middle of things, and nothing has to be counted first
_POINTS = 4
_POINTS_WITH_TENSORFLOW = 3


def _cases() -> Iterator[object]:
    for row in ROWS:
        if row.everyday:
            yield pytest.param(row, _EVERYDAY_POINTS, id=f"{row}, in short")
        points = _POINTS_WITH_TENSORFLOW if OPERATIONS[row.operation].slow else _POINTS
        yield pytest.param(row, points, id=str(row), marks=pytest.mark.slow)


@pytest.fixture
def worlds(launcher: Launcher, template: Template, tmp_path: Path, request: pytest.FixtureRequest) -> Worlds:
    return Worlds(launcher, template, tmp_path, request)


class Worlds:
    """Makes one world after the other."""

    def __init__(self, launcher: Launcher, template: Template, folder: Path, request: pytest.FixtureRequest) -> None:
        self._launcher, self._template, self._folder, self._request = launcher, template, folder, request
        self._made = 0

    def of(self, row: Row) -> Iterator[World]:
        """Use it with ``for``: a generator closes its world."""
        operation = OPERATIONS[row.operation]
        self._made += 1
        folder = self._folder / f"world-{self._made}"
        if operation.slow:
            (self._folder / "small").symlink_to(
                self._request.getfixturevalue("small_source")
            ) if self._made == 1 else None
        with make_world(self._launcher, folder, self._template(operation.versions)) as world:
            operation.prepare(world)
            yield world


@pytest.mark.parametrize(("row", "how_many"), list(_cases()))
def test_what_is_promised_holds(worlds: Worlds, tmp_path: Path, row: Row, how_many: int) -> None:
    for point in _points(worlds, tmp_path / "count", row, how_many):
        for world in worlds.of(row):
            wrong = _strike(world, row, point)
            assert wrong == [], f"{row}, point {point}: " + "\n".join(wrong)


def _points(worlds: Worlds, count: Path, row: Row, how_many: int) -> list[int]:
    """At which places the fault strikes: spread over all there are, the same ones every time."""
    kind = FAULTS[row.fault]
    if how_many == _EVERYDAY_POINTS:
        return [_EVERYDAY_POINT]
    if kind.count is None:
        return list(range(1, how_many + 1)) if kind.anywhere else [1]
    operation = OPERATIONS[row.operation]
    for world in worlds.of(row):
        fault = kind.count(world, operation, count)
        ended = world.tendies(*operation.command(world), faults=(fault,))
        assert ended.status == 0, ended.err
    places = range(1, count.stat().st_size + 1)
    assert places, f"{row.fault} cannot strike: the operation has no such place"
    return sorted(random.Random(str(row)).sample(places, min(how_many, len(places))))


def _strike(world: World, row: Row, point: int) -> list[str]:
    operation = OPERATIONS[row.operation]
    world.look(settled=False)
    before, served = checker.versions(world.base), world.serving()
    injection = FAULTS[row.fault].make(world, operation, point)
    if injection.wire is not None:
        world.wire.fault = injection.wire
    injection.before()
    command = [str(word) for word in (*operation.command(world), *injection.options)]
    program = world.launcher.start("tendies", command, injection.inside)
    injection.during(program)
    ended = program.wait(90)
    return OUTCOMES[row.outcome](Case(world, operation, injection, ended, before, served))


def test_the_matrix_speaks_of_what_there_is() -> None:
    assert {row.fault for row in ROWS} == set(FAULTS)
    assert {row.operation for row in ROWS} == set(OPERATIONS)
    assert {row.outcome for row in ROWS} <= set(OUTCOMES)
    assert set(outcomes()) == set(OUTCOMES)
    assert len({str(row) for row in ROWS}) == len(ROWS)
