"""A version that served before a release or rollback began serves after it has failed, however it failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tendies_ops.errors import ProofFailedError, ReleaseError, UsageError
from tendies_ops.publish import publish_version
from tendies_ops.publish.history import HistoryRecord, read_history
from tendies_ops.publish.layout import STATE_DIRECTORY
from tendies_ops.release import reject_model, release_model, rollback_model
from tendies_ops.release.record.journal import read_journal
from tendies_ops.spec import ReleaseSpec
from tendies_ops.spec.release_spec import SwapLimits
from tests.e2e.release.test_recovery import killed
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.watching_server import WatchingServer

OPTIONS = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)


def names_in(base: Path) -> list[str]:
    return sorted(path.name for path in base.iterdir() if path.name[0] != ".")


def withdrawn_in(base: Path) -> list[int]:
    return [record.version for record in read_history(base) if record.event == "withdrawn"]


@pytest.fixture
def published(tmp_path: Path, base: Path, server: WatchingServer) -> Path:
    """A candidate that `tendies publish` made visible and that the server has loaded."""
    candidate = make_candidate(tmp_path / "published", by=10)
    publish_version(candidate, base)
    server.wait_until_serving(1)
    return candidate


@pytest.mark.parametrize("behaviour", [{"answer_error": "Could not find variable w"}, {"by": 99}])
def test_a_served_version_that_a_release_found_and_that_fails_its_proof_is_reported_and_stays(
    base: Path, server: WatchingServer, published: Path, behaviour: dict[str, object]
) -> None:
    server.versions[1].behaviour.update(behaviour)

    with pytest.raises(
        ProofFailedError, match=r"there before this release began, failed its proof.*Nothing was changed"
    ):
        release_model(published, base, [server.url], options=OPTIONS)

    assert (server.serving(), names_in(base), withdrawn_in(base)) == ([1], ["1"], [])
    assert read_journal(base) is None


def test_a_served_version_that_a_release_found_stays_when_the_limits_of_the_swap_are_broken(
    base: Path, server: WatchingServer, published: Path
) -> None:
    strict = OPTIONS.model_copy(update={"limits": SwapLimits(max_seconds_to_available=1e-9)})

    with pytest.raises(ReleaseError, match=r"broke the limits.*Nothing was changed"):
        release_model(published, base, [server.url], options=strict)

    assert (server.serving(), names_in(base)) == ([1], ["1"])


@pytest.mark.parametrize("phase", ["loading", "available"])
def test_a_served_version_stays_when_the_release_that_found_it_is_killed_and_it_then_fails_its_proof(
    tmp_path: Path, base: Path, server: WatchingServer, published: Path, phase: str
) -> None:
    killed(phase, base, server, published)
    server.versions[1].behaviour["answer_error"] = "Could not find variable w"

    with pytest.raises(ReleaseError, match="not load today"):
        release_model(
            make_candidate(tmp_path / "next", by=20, error="INTERNAL: not load today"),
            base,
            [server.url],
            options=OPTIONS,
        )

    assert (server.serving(), withdrawn_in(base)) == ([1], [2])


def test_a_version_that_was_published_and_loads_nowhere_gives_way_to_the_one_that_served(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=OPTIONS)
    server.overrides = {"load_s": 0.6, "answer_error": "Could not find variable w", "only_above": 1}
    candidate = make_candidate(tmp_path / "b", by=20)
    publish_version(candidate, base)

    with pytest.raises(ReleaseError, match=r"Version 2 of stripes was not released.*Version 1 serves"):
        release_model(candidate, base, [server.url], options=OPTIONS)

    assert server.serving() == [1]


def test_a_version_that_one_replica_could_not_load_stays_while_another_replica_does_not_answer(
    tmp_path: Path, base: Path
) -> None:
    refusing = {"error": "RESOURCE_EXHAUSTED: no memory for this one", "only_above": 1, "only_below": 3}
    with WatchingServer(base) as silent, WatchingServer(base, overrides=refusing) as unwilling:
        urls = [silent.url, unwilling.url]
        release_model(make_candidate(tmp_path / "good", by=10), base, urls, options=OPTIONS)
        make_candidate(tmp_path / "published", by=20).rename(base / "2")
        unwilling.wait_until_failed(2)
        silent.stop()
        hurried = OPTIONS.model_copy(
            update={"available_timeout_s": 1.0, "unreachable_grace_s": 0.3, "restore_timeout_s": 1.0}
        )

        with pytest.raises(ReleaseError):
            release_model(make_candidate(tmp_path / "next", by=30), base, urls, options=hurried)

    assert "2" in names_in(base)
    assert 2 not in withdrawn_in(base)


def test_a_failed_rollback_leaves_every_version_that_served(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [server.url], options=OPTIONS)
    server.overrides = {"error": "INTERNAL: cannot load this one again", "only_below": 2}

    with pytest.raises(ReleaseError, match=r"Everything was restored\. Version 2 serves"):
        rollback_model(base, [server.url], options=OPTIONS)

    assert (server.serving(), names_in(base)) == ([2], ["1", "2"])


def test_a_version_of_the_base_path_cannot_be_rejected(base: Path, server: WatchingServer, published: Path) -> None:
    with pytest.raises(UsageError, match=r"is a version in .*was not rejected"):
        reject_model(base / "1", base, rejected_by="Ada")

    assert (server.serving(), names_in(base)) == ([1], ["1"])
    assert published.is_dir()


def test_a_release_that_is_finished_after_a_kill_keeps_what_any_other_release_keeps(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "1", by=10, step=7), base, [server.url], options=OPTIONS)
    killed("proved", base, server, make_candidate(tmp_path / "2", by=20, step=8))
    journal = base / STATE_DIRECTORY / "journal.json"
    told = json.loads(journal.read_text()) | {"approved_by": "Ada", "who": "ada@workstation"}
    journal.write_text(json.dumps(told))
    said: list[str] = []

    rollback_model(base, [server.url], options=OPTIONS, on_step=said.append)

    [record] = [r for r in read_history(base) if (r.event, r.version) == ("released", 2)]
    assert (record.checkpoint, record.checkpoint_step, record.who) == ("train/ckpt-8", 8, "ada@workstation")
    assert record.reason == "approved by Ada; finished after its release was killed"
    report = json.loads((base / STATE_DIRECTORY / "releases" / "2.json").read_text())
    assert (report["state"], report["checkpoint_step"], report["previous_version"]) == ("released", 8, 1)
    assert any("Version 2 had been proved before its release was killed" in words for words in said)


def test_every_record_of_a_rollback_says_where_its_version_came_from(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    for number in (1, 2):
        release_model(
            make_candidate(tmp_path / f"{number}", by=number * 10, step=number), base, [server.url], options=OPTIONS
        )

    rollback_model(base, [server.url], options=OPTIONS, reason="seams")

    withdrawn, rolled_back = read_history(base)[-2:]
    assert facts(withdrawn) == ("withdrawn", 2, "seams", "train/ckpt-2", 2)
    assert facts(rolled_back) == ("rolled_back", 1, "seams", "train/ckpt-1", 1)


def facts(record: HistoryRecord) -> tuple[str, int, str, str, int | None]:
    return record.event, record.version, record.reason, record.checkpoint, record.checkpoint_step


_NEW_FIELDS = ("made_visible", "before", "checkpoint", "checkpoint_step", "approved_by", "who", "note")


@pytest.mark.parametrize("phase", ["staged", "loading", "proved", "withdrawing", "rolling_back"])
def test_a_journal_of_the_tendies_before_is_finished_or_undone(
    tmp_path: Path, base: Path, server: WatchingServer, phase: str
) -> None:
    for number in (1, 2):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [server.url], options=OPTIONS)
    wrong = {"promised_by": 31} if phase in {"loading", "withdrawing"} else {}
    what = "rollback" if phase == "rolling_back" else make_candidate(tmp_path / "c", by=30, **wrong)  # type: ignore[arg-type]
    killed(phase, base, server, what)
    journal = base / STATE_DIRECTORY / "journal.json"
    told = json.loads(journal.read_text())
    journal.write_text(json.dumps({name: value for name, value in told.items() if name not in _NEW_FIELDS}))

    report = release_model(make_candidate(tmp_path / "d", by=40, step=9), base, [server.url], options=OPTIONS)

    expected = {"staged": 2, "loading": 2, "withdrawing": 2, "proved": 3, "rolling_back": 1}
    assert report.previous_version == expected[phase]
    assert available_versions(server.url) == [report.version]
    assert predict(server.url, picture(6), MODEL_NAME) == shift(picture(6), 40)
    if phase == "proved":
        [record] = [r for r in read_history(base) if (r.event, r.version) == ("released", 3)]
        assert record.checkpoint == "train/ckpt-100"
