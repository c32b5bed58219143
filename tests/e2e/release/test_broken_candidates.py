"""Every kind of broken candidate against a server; what is true is asked with the standard library alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import PublishError, ReleaseError
from tendies_ops.publish.history import read_history
from tendies_ops.release import release_model
from tendies_ops.spec import ReleaseSpec
from tests.support.broken import KINDS, LIVE_AND_WRONG
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.steady_load import SteadyLoad
from tests.support.watching_server import WatchingServer

OPTIONS = ReleaseSpec(available_timeout_s=1.0, restore_timeout_s=30, unreachable_grace_s=0.3)
PATIENT = OPTIONS.model_copy(update={"available_timeout_s": 30.0})


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_candidate_ends_red_and_the_old_version_serves(tmp_path: Path, base: Path, kind: str) -> None:
    with WatchingServer(base, restart_after_s=0.6) as server:
        release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=PATIENT)
        with SteadyLoad(server.url, MODEL_NAME, picture(5)) as load:
            with pytest.raises(ReleaseError, match=r"Version 2 of stripes was not released.*Version 1 serves on"):
                release_model(KINDS[kind](tmp_path / kind), base, [server.url], options=OPTIONS)
            truth = available_versions(server.url), predict(server.url, picture(6))

        assert truth == ([1], shift(picture(6), 10))
    assert sorted(p.name for p in base.iterdir() if p.name.isdigit()) == ["1"]
    assert read_history(base)[-1].event == "withdrawn"
    if kind not in LIVE_AND_WRONG | {"crashes_the_loader"}:
        assert load.failures == []
        assert set(load.pictures) == {shift(picture(5), 10)}


@pytest.mark.parametrize("kind", ["wrong_pixels", "slow_load"])
def test_what_was_damaged_after_its_export_never_becomes_visible(
    tmp_path: Path, base: Path, server: WatchingServer, kind: str
) -> None:
    release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=PATIENT)
    candidate = KINDS[kind](tmp_path / kind)
    (candidate / "fake.json").write_text("{}")
    seen_before = list(server.loads)

    with pytest.raises(PublishError, match=r"fake\.json"):
        release_model(candidate, base, [server.url], options=OPTIONS)

    assert server.loads == seen_before


def test_an_empty_directory_is_refused_before_anything_is_changed(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(PublishError, match="tendies export"):
        release_model(tmp_path / "empty", base, [server.url], options=OPTIONS)

    assert list(base.iterdir()) == []


def test_a_broken_directory_that_lies_above_is_withdrawn_by_the_next_release(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=PATIENT)
    (base / "7").mkdir()
    server.wait_until_failed(7)

    report = release_model(make_candidate(tmp_path / "better", by=20), base, [server.url], options=PATIENT)

    assert (report.version, report.previous_version) == (8, 1)
    assert any("does not appear to contain a SavedModel bundle" in note for note in report.notes)
    assert not (base / "7").exists()
