"""Three replicas of which one is dead, one slow and one refuses."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tendies_ops.errors import ReleaseError, StoppedError
from tendies_ops.release import release_model, rollback_model
from tendies_ops.spec import ReleaseSpec
from tendies_ops.spec.release_spec import GateSpec
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.steady_load import SteadyLoad
from tests.support.watching_server import WatchingServer

OPTIONS = ReleaseSpec(available_timeout_s=1.5, restore_timeout_s=20, unreachable_grace_s=0.5)
PATIENT = OPTIONS.model_copy(update={"available_timeout_s": 30.0})


def test_each_is_named_and_the_old_version_answers_on_all_that_live(tmp_path: Path, base: Path) -> None:
    slow = {"load_s": 3.0}
    refusing = {"error": "RESOURCE_EXHAUSTED: no memory for this one", "only_above": 1}
    with (
        WatchingServer(base) as dead,
        WatchingServer(base, overrides={**slow, "only_above": 1}) as late,
        WatchingServer(base, overrides=refusing) as unwilling,
    ):
        urls = [dead.url, late.url, unwilling.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=PATIENT)
        dead.stop()
        with (
            SteadyLoad(late.url, MODEL_NAME, picture(5)) as load,
            pytest.raises(ReleaseError) as caught,
        ):
            release_model(make_candidate(tmp_path / "next", by=20), base, urls, options=PATIENT)
        truth = {url: (available_versions(url), predict(url, picture(6))) for url in urls[1:]}

    words = str(caught.value)
    assert f"{dead.url}: " in words
    assert "nothing listens there" in words
    assert words.index(unwilling.url) < words.index(late.url), "what failed comes first"
    assert f"{late.url}: not waited for after" in words
    assert "does it watch this model base path?" not in words
    assert f"{unwilling.url}: could not load it: RESOURCE_EXHAUSTED: no memory for this one" in words
    assert "Version 1 serves on" in words
    assert all(answer == ([1], shift(picture(6), 10)) for answer in truth.values())
    assert load.failures == []


def test_a_replica_that_is_still_loading_finishes_before_the_version_is_taken_back(tmp_path: Path, base: Path) -> None:
    refusing = {"error": "RESOURCE_EXHAUSTED: no memory for this one", "only_above": 1}
    with (
        WatchingServer(base, overrides=refusing) as unwilling,
        WatchingServer(base, overrides={"load_s": 0.7, "only_above": 1}) as slow,
    ):
        urls = [unwilling.url, slow.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=PATIENT)
        with (
            SteadyLoad(slow.url, MODEL_NAME, picture(5)) as load,
            pytest.raises(ReleaseError, match=r"no memory for this one.*Version 1 serves on"),
        ):
            release_model(make_candidate(tmp_path / "next", by=20), base, urls, options=PATIENT)

        assert [available_versions(url) for url in urls] == [[1], [1]]
    assert load.failures == []
    assert load.answered > 10


def test_a_replica_that_looks_late_has_seen_the_version_before_it_is_taken_back(tmp_path: Path, base: Path) -> None:
    """It would else begin to load at the moment when the directory goes, and serve what it got of it."""
    refusing = {"error": "RESOURCE_EXHAUSTED: no memory for this one", "only_above": 1}
    with (
        WatchingServer(base, overrides=refusing) as unwilling,
        WatchingServer(base, overrides={"load_s": 0.5, "only_above": 1}, poll_s=1.0) as late,
    ):
        urls = [unwilling.url, late.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=PATIENT)
        with (
            SteadyLoad(late.url, MODEL_NAME, picture(5)) as load,
            pytest.raises(ReleaseError, match=r"no memory for this one.*Version 1 serves on"),
        ):
            release_model(make_candidate(tmp_path / "next", by=20), base, urls, options=PATIENT)

        assert late.loads == [1, 2, 1]
    assert load.failures == []


def test_a_release_that_is_stopped_while_a_replica_loads_fails_no_request(tmp_path: Path, base: Path) -> None:
    with WatchingServer(base, overrides={"load_s": 0.7, "only_above": 1}) as slow:
        release_model(make_candidate(tmp_path / "good", by=10), base, [slow.url], options=PATIENT)
        stop = threading.Event()
        threading.Timer(0.4, stop.set).start()
        with SteadyLoad(slow.url, MODEL_NAME, picture(5)) as load, pytest.raises(StoppedError):
            release_model(make_candidate(tmp_path / "next", by=20), base, [slow.url], options=PATIENT, cancelled=stop)

        assert available_versions(slow.url) == [1]
    assert load.failures == []


def test_a_slow_replica_that_makes_it_in_time_is_waited_for(tmp_path: Path, base: Path) -> None:
    with WatchingServer(base) as quick, WatchingServer(base, overrides={"load_s": 0.7}) as slow:
        report = release_model(make_candidate(tmp_path / "good"), base, [quick.url, slow.url], options=PATIENT)

        assert [server.serving() for server in (quick, slow)] == [[1], [1]]
    seconds = {replica.server: replica.seconds_to_available for replica in report.replicas}
    assert (seconds[slow.url] or 0.0) > 0.5


def test_a_replica_that_answers_other_pictures_is_named(tmp_path: Path, base: Path) -> None:
    with WatchingServer(base) as right, WatchingServer(base, overrides={"by": 99, "only_above": 1}) as wrong:
        urls = [right.url, wrong.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=PATIENT)

        with pytest.raises(ReleaseError, match=rf"{wrong.url} with golden image 0: the picture differs") as caught:
            release_model(make_candidate(tmp_path / "next", by=20), base, urls, options=OPTIONS)

        assert f"{right.url} with golden image" not in str(caught.value)
        assert [available_versions(url) for url in urls] == [[1], [1]]


def test_a_replica_that_dies_while_loading_is_found_long_before_the_deadline(tmp_path: Path, base: Path) -> None:
    options = PATIENT.model_copy(update={"available_timeout_s": 60.0, "restore_timeout_s": 3.0})
    with WatchingServer(base) as sound, WatchingServer(base, overrides={"crash": True, "only_above": 1}) as fragile:
        urls = [sound.url, fragile.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=options)

        with pytest.raises(ReleaseError, match=rf"{fragile.url}: crashed: it answered before and has been unreachable"):
            release_model(make_candidate(tmp_path / "next", by=20), base, urls, options=options)

        assert available_versions(sound.url) == [1]


def test_a_replica_that_was_taken_down_is_waited_for_until_its_supervisor_has_it_up_again(
    tmp_path: Path, base: Path
) -> None:
    overrides = {"crash": True, "only_above": 1}
    with WatchingServer(base) as sound, WatchingServer(base, overrides=overrides, restart_after_s=3.0) as fragile:
        urls = [sound.url, fragile.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=PATIENT)

        with pytest.raises(ReleaseError, match=rf"Version 1 serves on {sound.url}, {fragile.url}, proved"):
            release_model(make_candidate(tmp_path / "next", by=20), base, urls, options=PATIENT)

        assert [available_versions(url) for url in urls] == [[1], [1]]


def test_a_rollback_that_one_replica_cannot_follow_is_undone(tmp_path: Path, base: Path) -> None:
    with WatchingServer(base) as sound, WatchingServer(base) as unwilling:
        urls = [sound.url, unwilling.url]
        for number in (1, 2):
            release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, urls, options=PATIENT)
        unwilling.overrides = {"error": "INTERNAL: cannot load this one again", "only_below": 2}

        with pytest.raises(
            ReleaseError, match=r"cannot load this one again.*Everything was restored\. Version 2 serves"
        ):
            rollback_model(base, urls, options=OPTIONS)

        assert [available_versions(url) for url in urls] == [[2], [2]]
    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["1", "2"]


def test_what_one_replica_serves_is_not_withdrawn_because_another_could_not_load_it(tmp_path: Path, base: Path) -> None:
    refusing = {"error": "RESOURCE_EXHAUSTED: no memory for this one", "only_above": 1, "only_below": 3}
    with WatchingServer(base) as sound, WatchingServer(base, overrides=refusing) as unwilling:
        urls = [sound.url, unwilling.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=PATIENT)
        make_candidate(tmp_path / "published", by=20).rename(base / "2")
        sound.wait_until_serving(2)
        unwilling.wait_until_failed(2)

        with SteadyLoad(sound.url, MODEL_NAME, picture(5)) as load:
            report = release_model(make_candidate(tmp_path / "next", by=30), base, urls, options=PATIENT)

    assert (report.version, report.previous_version) == (3, 2)
    assert any("Version 2 stays" in note and "no memory for this one" in note for note in report.notes)
    assert shift(picture(5), 10) not in load.pictures
    assert load.failures == []


def test_a_version_that_loads_nowhere_is_not_what_a_candidate_is_held_against(tmp_path: Path, base: Path) -> None:
    gated = PATIENT.model_copy(update={"gate": GateSpec(min_ssim=0.5)})
    with WatchingServer(base) as server:
        release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=PATIENT)
        (base / "1").rename(tmp_path / "taken away")
        make_candidate(tmp_path / "broken", by=20, error="INTERNAL: no").rename(base / "2")
        server.wait_until_failed(2)

        report = release_model(make_candidate(tmp_path / "next", by=30), base, [server.url], options=gated)

    assert (report.version, report.previous_version) == (3, None)
