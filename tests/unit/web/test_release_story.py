"""A release as its page tells it, however it ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.release.record.before import Before
from tendies_ops.release.record.journal import Journal, write_journal
from tendies_ops.web.sources.known import Catalogues
from tendies_ops.web.views.models_view import ModelPicture, read_model
from tendies_ops.web.views.release_story import Story, find_story, list_stories
from tests.support.web_world import WebWorld, add_event, add_release_report, add_version, make_world

STEPS = ("checkpoint", "export", "proof", "gate", "decision", "swap")


@pytest.fixture
def world(tmp_path: Path) -> WebWorld:
    return make_world(tmp_path)


def view(world: WebWorld) -> ModelPicture:
    model = Catalogues(world.specs_dir).read().get("brush")
    assert model is not None
    return read_model(model, ())


def story(world: WebWorld, key: str) -> Story:
    found = find_story(view(world), key)
    assert found is not None
    return found


def test_a_release_tells_who_why_who_approved_and_what_the_gate_measured(world: WebWorld) -> None:
    add_version(world, 2)
    add_event(world, "published", 2, age_h=2)
    add_event(world, "released", 2, reason="softer edges; approved by jonas: skies are calmer", age_h=1)
    add_release_report(world, 2)
    found = story(world, "2")
    assert (found.state, found.version, found.who) == ("released", 2, "airflow@trainer")
    assert (found.note, found.approval) == ("softer edges", ("jonas", "skies are calmer"))
    assert [line.measure.key for line in found.measures] == ["ssim", "mean_abs"]
    assert {found.state_of(step) for step in STEPS} == {"done"}


@pytest.mark.parametrize(
    ("reason", "failed", "reached"),
    [
        ("export: a data file is cut short", "export", {"checkpoint"}),
        ("review: the gate is closed", "gate", {"checkpoint", "export", "proof"}),
        ("release: no replica answers", "swap", {"checkpoint", "export", "proof", "gate", "decision"}),
    ],
)
def test_a_failed_release_names_the_step_and_leaves_the_rest_unreached(
    world: WebWorld, reason: str, failed: str, reached: set[str]
) -> None:
    at = "2026-11-30T21:34:41.000+00:00"
    append_history(world.base_path, HistoryRecord("failed", 0, reason, "brush", at=at, who="mara"))
    found = story(world, at)
    assert (found.state, found.version, found.who) == ("failed", None, "mara")
    assert found.failure == reason.partition(": ")[2]
    assert {step for step in STEPS if found.state_of(step) == "done"} == reached
    assert found.state_of(failed) == "failed"


def test_a_rejection_is_a_story_of_its_own(world: WebWorld) -> None:
    at = "2026-11-30T21:34:41.000+00:00"
    append_history(world.base_path, HistoryRecord("rejected", 0, "rejected by Ada: too pale", at=at, who="Ada"))
    found = story(world, at)
    assert (found.state, found.failure, found.failed_step) == ("rejected", "rejected by Ada: too pale", "decision")
    assert found.state_of("swap") == "not reached"


def test_a_rollback_to_a_version_does_not_replace_the_story_of_its_release(world: WebWorld) -> None:
    add_version(world, 1)
    add_event(world, "released", 1, reason="the first", age_h=9)
    add_event(world, "rolled_back", 1, reason="skies are green", age_h=1)
    assert story(world, "1").note == "the first"


def test_a_release_under_way_shows_the_phase_of_its_journal(world: WebWorld) -> None:
    add_version(world, 3)
    journal = Journal(
        "loading", "brush", "sha256:0", 3, 2, ("http://r:1",), "2026-11-30T21:34:41+00:00",
        before=Before((), {}), who="mara",
    )  # fmt: skip
    write_journal(world.base_path, journal)
    with lock_base_path(world.base_path, purpose="release"):
        found = story(world, "3")
        assert (found.state, found.who, found.state_of("swap")) == ("running", "mara", "running")
        assert [one.key for one in list_stories(view(world), limit=9)] == ["3"]

    found = story(world, "3")  # no process holds the lock now
    assert (found.state, found.state_of("swap")) == ("stopped", "stopped")


@pytest.mark.parametrize("key", ["9", "0", "x", "2026-11-30T21:34:41", "1" * 60])
def test_a_release_that_never_was_has_no_story(world: WebWorld, key: str) -> None:
    add_event(world, "released", 1)
    assert find_story(view(world), key) is None
