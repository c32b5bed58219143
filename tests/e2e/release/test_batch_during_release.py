"""By directory and with the default policy, the version before is unloaded while the candidate is proved."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.errors import NotNowError, StoppedError, VersionGoneError
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.inference.several_runs.sharded_run import plan_shards
from tendies_ops.release import list_versions
from tests.support.candidates import MODEL_NAME, make_candidate, shift
from tests.support.service_worlds import IN_SERVICE_BY, ServiceWorld, open_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ServiceWorld]:
    with open_world(tmp_path / "world", "directory", loaded=1) as opened:
        opened.release(IN_SERVICE_BY)
        yield opened


def options(world: ServiceWorld, **changes: Any) -> BatchOptions:
    values: dict[str, Any] = {
        "input": str(world.pictures),
        "output": str(world.root / "out"),
        "model_name": MODEL_NAME,
        "servers": (world.server.url,),
        "model_base_path": str(world.base),
        "provenance": False,
    }
    return BatchOptions(**{**values, **changes})


def begin(world: ServiceWorld, **behaviour: Any) -> None:
    world.begin_release(make_candidate(world.root / "candidate", by=20, **behaviour), until_proving=2)


def assert_made_by(world: ServiceWorld, report: BatchReport, version: int, by: int) -> None:
    assert (report.version, report.done, report.failed) == (version, 2, 0)
    for source in world.pictures.iterdir():
        assert (world.root / "out" / source.name).read_bytes() == shift(source.read_bytes(), by)


@pytest.mark.parametrize(("promised_by", "version", "by"), [(20, 2, 20), (21, 1, IN_SERVICE_BY)])
def test_a_batch_that_starts_in_the_proof_waits_and_uses_what_the_release_leaves_in_service(
    world: ServiceWorld, promised_by: int, version: int, by: int
) -> None:
    begin(world, promised_by=promised_by, answer_s=0.7)
    notes: list[str] = []
    report = run_batch(options(world), on_note=notes.append)
    assert_made_by(world, report, version, by)
    assert "a release is proving version 2, and no other version is AVAILABLE" in notes[0]
    assert notes[-1] == f"Using version {version} of {MODEL_NAME}: {report.version_reason}."
    assert world.releases[0].wait(30) == (0 if version == 2 else 1)


def test_a_batch_that_waits_for_a_release_too_long_fails_and_can_be_retried(world: ServiceWorld) -> None:
    begin(world, answer_s=60)
    with pytest.raises(NotNowError, match="a release is proving version 2") as caught:
        run_batch(options(world, sick_deadline_s=0.5))
    assert caught.value.retryable
    with pytest.raises(NotNowError):
        plan_shards(options(world, sick_deadline_s=0.5), max_shards=2)


def test_a_batch_that_waits_for_a_release_can_be_stopped(world: ServiceWorld) -> None:
    begin(world, answer_s=60)
    cancelled = threading.Event()
    with pytest.raises(StoppedError):
        run_batch(options(world), cancelled=cancelled, on_note=lambda _: cancelled.set())


def test_after_a_kill_in_the_proof_no_batch_uses_the_candidate_until_a_release_has_proved_it(
    world: ServiceWorld,
) -> None:
    begin(world, answer_s=0.5)
    world.kill_releases()
    with pytest.raises(VersionGoneError, match="a release was killed before version 2 was proved"):
        run_batch(options(world))
    found = list_versions(world.base, [world.server.url])
    assert (found.in_service, found.versions[0].state) == (None, "unproved: its release was killed")
    assert "killed before version 2" in found.in_service_reason

    world.release(20, answer_s=0.5)
    assert_made_by(world, run_batch(options(world)), 2, 20)
    assert list_versions(world.base, [world.server.url]).in_service == 2


@pytest.mark.parametrize(("version", "why"), [(2, "asked for by its number"), ("newest", "the newest was asked for")])
def test_a_candidate_is_used_only_where_it_was_asked_for(world: ServiceWorld, version: int | str, why: str) -> None:
    begin(world, answer_s=0.5)
    world.kill_releases()
    report = run_batch(options(world, version=version))
    assert_made_by(world, report, 2, 20)
    assert why in report.version_reason


def test_a_batch_that_does_not_see_the_base_path_says_that_it_cannot_tell_a_candidate_apart(
    world: ServiceWorld,
) -> None:
    begin(world, answer_s=0.5)
    world.kill_releases()
    report = run_batch(options(world, model_base_path=None))
    assert report.version == 2
    assert "model base path is not visible from here" in report.version_reason
