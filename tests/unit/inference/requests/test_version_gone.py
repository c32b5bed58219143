"""The version of a run goes away: the run stops and never mixes two versions."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tendies_ops.errors import VersionGoneError
from tendies_ops.inference.requests import pin_version as servers
from tendies_ops.publish.leases import live_leases
from tests.support.batch_bench import Bench
from tests.support.canned_server import Answer, Request, error_answer
from tests.support.sample_pictures import folder_of_pngs


@pytest.fixture
def swapped(bench: Bench) -> Bench:
    """Twenty pictures; after ten of them the server serves version 2 alone."""
    folder_of_pngs(bench.input, 20)

    def swap(request: Request) -> Answer | None:
        if len(bench.model.predicted) >= 10:
            bench.model.version = 2
        if "/versions/1:" in request.path and bench.model.version == 2:
            return error_answer(404, "Servable not found for request: Specific(m, 1)")
        return None

    bench.model.fault = swap
    return bench


def test_a_run_stops_when_its_version_goes_away_and_the_next_one_does_all_with_the_new(swapped: Bench) -> None:
    with pytest.raises(VersionGoneError, match="not found"):
        swapped.run(max_batch_size=5, run_id="first")
    told = json.loads((swapped.output / ".tendies/runs/first/progress.json").read_text())
    assert told["state"] == "stopped"
    assert "not found" in told["message"]
    report = swapped.run()
    assert (report.version, report.done, report.skipped) == (2, 20, 0)
    assert {record["version"] for record in swapped.newest_records().values()} == {2}


def test_a_run_whose_version_goes_away_says_what_is_kept_and_which_setting_avoids_it(
    swapped: Bench, tmp_path: Path
) -> None:
    with pytest.raises(VersionGoneError) as caught:
        swapped.run(max_batch_size=5, max_concurrency=1)
    said = str(caught.value)
    assert "Version 1 of m was unloaded" in said
    assert "10 of 20 pictures are done and kept" in said
    assert "model_base_path" in said
    assert said.endswith("Servable not found for request: Specific(m, 1)")
    swapped.model.version = 1
    swapped.model.predicted.clear()
    (tmp_path / "base" / "1").mkdir(parents=True)
    with pytest.raises(VersionGoneError) as caught:
        swapped.run(max_batch_size=5, version=1, model_base_path=str(tmp_path / "base"), output_quality=90)
    assert "Set " not in str(caught.value), "the setting is there already"


def test_a_version_that_was_withdrawn_a_moment_ago_is_not_taken(bench: Bench, tmp_path: Path) -> None:
    """A rollback has moved version 2 away; the server has not looked yet and still answers for it."""
    base = tmp_path / "base"
    (base / "1").mkdir(parents=True)
    folder_of_pngs(bench.input, 3)
    bench.model.version = 2
    leased: set[int] = set()

    def note_leases(_: Request) -> Answer | None:
        leased.update(lease.version for lease in live_leases(base))
        return None

    bench.model.fault = note_leases
    notices = threading.Timer(0.5, setattr, (bench.model, "version", 1))
    notices.start()
    report = bench.run(model_base_path=str(base))
    assert (report.version, report.done) == (1, 3)
    assert {record["version"] for record in bench.records()} == {1}
    assert leased == {1}
    assert live_leases(base) == []


def test_a_server_that_watches_another_directory_is_used_after_a_while(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base" / "7").mkdir(parents=True)
    folder_of_pngs(bench.input, 3)
    monkeypatch.setattr(servers, "_NOTICED_WITHIN_S", 0.3)
    report = bench.run(model_base_path=str(tmp_path / "base"))
    assert (report.version, report.done, report.model_digest) == (1, 3, None)
