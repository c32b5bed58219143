from __future__ import annotations

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from tendies_ops.publish.history import Event, HistoryRecord, append_history
from tendies_ops.rest_api.status import ServedVersions, VersionStatus
from tendies_ops.spec import read_manifest
from tendies_ops.web.ledger.ledger_index import LedgerLine
from tendies_ops.web.run.find_runs import find_run, list_runs, runs_of_task
from tendies_ops.web.run.model_cards import trend_of
from tendies_ops.web.run.run_pictures import was_rewritten
from tendies_ops.web.sources.known import Catalogues, KnownModel, Location
from tendies_ops.web.sources.server_states import ReplicaState, ServerStates
from tendies_ops.web.views.candidates_view import find_candidate, list_candidates, list_undecided, read_review
from tendies_ops.web.views.charts import Series, line_chart, nice_ceiling, progress_bar, thin_out
from tendies_ops.web.views.compare_view import compare_versions
from tendies_ops.web.views.golden_pictures import golden_path
from tendies_ops.web.views.models_view import ModelPicture, read_model
from tendies_ops.web.views.release_view import read_release
from tests.support.web_world import (
    WebWorld,
    add_candidate,
    add_event,
    add_release_report,
    add_run,
    add_version,
    make_world,
    write_progress,
)


@pytest.fixture
def world(tmp_path: Path) -> WebWorld:
    return make_world(tmp_path, servers=("http://127.0.0.1:9",))


def model_of(world: WebWorld) -> KnownModel:
    model = Catalogues(world.specs_dir).read().get("brush")
    assert model is not None
    return model


def view_of(world: WebWorld, *serving: int | None) -> ModelPicture:
    replicas = [
        ReplicaState(
            f"http://r{n}", ServedVersions({v: VersionStatus(v, "AVAILABLE")} if v else {}), "" if v else "down"
        )
        for n, v in enumerate(serving)
    ]
    return read_model(model_of(world), replicas)


def test_versions_of_disk_history_and_replicas_are_one_list(world: WebWorld) -> None:
    add_version(world, 2)
    add_version(world, 3, name="3.withdrawn-wrong-pixels")
    add_event(world, "released", 1)
    add_event(world, "withdrawn", 3, reason="wrong pixels")
    view = view_of(world, 2, 9)
    assert [row.version for row in view.versions] == [9, 3, 2, 1]
    assert [row.serving_on for row in view.versions] == [1, 0, 1, 0]
    assert view.row(3) is not None
    assert (view.row(3).withdrawn, view.row(3).reason) == (True, "wrong pixels")  # type: ignore[union-attr]
    assert view.row(1).path is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("serving", "health"),
    [((2, 2), "ok"), ((1, 2), "mixed"), ((2, None), "partial"), ((None, None), "down"), ((), "unknown")],
)
def test_the_health_of_a_model_is_one_word(world: WebWorld, serving: tuple[int | None, ...], health: str) -> None:
    assert view_of(world).health == "unreleased"
    for version in (1, 2):
        add_version(world, version)
    assert view_of(world, *serving).health == health


def test_only_whole_versions_below_the_one_that_serves_can_be_rolled_back_to(world: WebWorld) -> None:
    for version in (1, 2, 4, 5):
        add_version(world, version)
    add_version(world, 3, name="3.withdrawn-late")
    (world.base_path / "2" / "assets.extra" / "tendies.json").unlink()
    assert [row.version for row in view_of(world, 4, 4).rollback_choices] == [1]
    assert view_of(world, 4, 5).rollback_choices == ()


def test_two_versions_are_compared_by_pictures_and_facts(world: WebWorld) -> None:
    for version in (1, 2, 3):
        add_version(world, version)
    difference = compare_versions(view_of(world, 2), None, None)
    assert difference is not None
    assert (difference.a.version, difference.b.version) == (2, 3)
    assert [pair.name for pair in difference.pairs] == ["hills-0", "hills-1"]
    assert all(pair.same_input for pair in difference.pairs)
    assert {"checkpoint step", "model digest"} <= {line.what for line in difference.changed}
    assert compare_versions(view_of(world, 2), 1, 3).a.version == 1  # type: ignore[union-attr]
    assert compare_versions(view_of(world, 2), 77, 78) is not None


def test_one_version_cannot_be_compared(world: WebWorld) -> None:
    add_version(world, 1)
    assert compare_versions(view_of(world, 1), None, None) is None


def test_a_wrong_spec_hides_no_other_model(world: WebWorld) -> None:
    (world.specs_dir / "index.txt").write_text("brush.yaml\nbroken.yaml\nmissing.yaml\n")
    (world.specs_dir / "broken.yaml").write_text("model_nam: x")
    catalogue = Catalogues(world.specs_dir).read()
    assert [model.name for model in catalogue.models] == ["brush"]
    assert len(catalogue.problems) == 2


def test_a_spec_that_changes_is_read_again(world: WebWorld) -> None:
    catalogues = Catalogues(world.specs_dir)
    assert len(catalogues.read().models) == 2
    (world.specs_dir / "index.txt").write_text("stripes.yaml\n")
    assert [model.name for model in catalogues.read().models] == ["stripes"]


def test_a_run_tells_how_many_pictures_may_fail_if_its_report_does(world: WebWorld) -> None:
    report = add_run(world, "a-failed", ok=False) / "report.json"
    (before,) = list_runs([model_of(world)]).runs
    report.write_bytes(orjson.dumps({**orjson.loads(report.read_bytes()), "failures_allowed": 150}))
    (after,) = list_runs([model_of(world)]).runs

    assert (before.state, before.failures_allowed) == ("failed", None)
    assert (after.state, after.failures_allowed) == ("failed", 150)


def test_runs_are_listed_newest_first_with_their_states(world: WebWorld) -> None:
    add_run(world, "a-failed", failed=2, ok=False, draw=False)
    add_run(world, "b-done", failed=0, draw=False)
    add_run(world, "c-some", failed=1, draw=False)
    running = add_run(world, "d-running", draw=False, ended=False)
    stopped = add_run(world, "e-stopped", draw=False, ended=False)
    past = time.time() - 3600
    os.utime(stopped / "progress.json", (past, past))
    for number, name in enumerate(["a-failed", "b-done", "c-some", "d-running", "e-stopped"]):
        os.utime(running.parent / name, (1000 + number, 1000 + number))
    listed = list_runs([model_of(world)])
    assert [(run.run_id, run.state) for run in listed.runs] == [
        ("e-stopped", "stopped"), ("d-running", "running"), ("c-some", "some failed"),
        ("b-done", "done"), ("a-failed", "failed"),
    ]  # fmt: skip
    assert [run.run_id for run in list_runs([model_of(world)], state="failed").runs] == ["a-failed"]
    assert list_runs([model_of(world)], offset=1, limit=1).runs[0].run_id == "d-running"


def test_a_run_that_wrote_that_it_was_stopped_is_not_shown_as_running(world: WebWorld) -> None:
    progress = add_run(world, "stopped", draw=False, ended=False, done=100, failed=0) / "progress.json"
    facts = orjson.loads(progress.read_bytes())
    progress.write_bytes(orjson.dumps({**facts, "state": "stopped", "message": "the task was killed"}))
    (run,) = list_runs([model_of(world)], state="stopped").runs
    assert run.state == "stopped"


def test_a_run_without_a_report_is_dated_by_its_start_and_not_by_its_last_word(world: WebWorld) -> None:
    directory = add_run(world, "r", draw=False, ended=False, done=100, failed=0)
    progress = directory / "progress.json"
    facts = orjson.loads(progress.read_bytes())
    os.utime(progress, (1_700_000_100, 1_700_000_100))
    assert find_run(model_of(world), "r").started_at == "2023-11-14T22:14:52+00:00"  # type: ignore[union-attr]
    progress.write_bytes(orjson.dumps({**facts, "started_at": "2026-11-22T03:00:00+00:00"}))
    assert find_run(model_of(world), "r").started_at == "2026-11-22T03:00:00+00:00"  # type: ignore[union-attr]


def undecided(world: WebWorld, *history: HistoryRecord) -> list[str]:
    for record in history:
        append_history(world.base_path, record)
    return [one.name for one, _ in list_undecided(view_of(world, 2))]


@pytest.mark.parametrize("event", ["released", "rejected", "withdrawn", "failed"])
def test_an_export_that_was_decided_since_it_was_made_is_not_a_candidate(world: WebWorld, event: Event) -> None:
    name = add_candidate(world, "manual__2026-11-22T03:00:00+00:00")
    digest = read_manifest(world.base_path / ".exports" / name).model_digest
    assert undecided(world) == [name]
    earlier = HistoryRecord(event, 2, model_digest=digest, at="2020-01-01T00:00:00.000+00:00")
    assert undecided(world, earlier) == [name], "it was exported again since"
    assert undecided(world, HistoryRecord(event, 2, model_digest=digest)) == []


def test_an_export_with_the_content_of_a_kept_version_is_not_a_candidate(world: WebWorld) -> None:
    name = add_candidate(world, "manual__2026-11-22T03:00:00+00:00")
    digest = read_manifest(world.base_path / ".exports" / name).model_digest
    add_version(world, 2)
    assert undecided(world, HistoryRecord("released", 2, model_digest=digest, at="2020-01-01T00:00:00+00:00")) == []


def test_a_run_that_goes_on_is_read_again(world: WebWorld) -> None:
    directory = add_run(world, "r", draw=False, ended=False, done=1, failed=0)
    model = model_of(world)
    assert find_run(model, "r").done == 1  # type: ignore[union-attr]
    write_progress(directory, "r", version=1, done=123, failed=0, skipped=0, total=1000)
    run = find_run(model, "r")
    assert run is not None
    assert (run.done, run.total, run.input) == (123, 1000, world.input)
    assert len(run.rates) > 1


def test_a_report_that_is_no_report_is_no_error(world: WebWorld) -> None:
    runs = world.output / ".tendies" / "runs"
    for name, data in (("empty", b""), ("list", b"[1]"), ("words", b'{"done": "many", "rates": 3, "total": null}')):
        (runs / name).mkdir(parents=True)
        (runs / name / "report.json").write_bytes(data)
    (runs / "file").write_bytes(b"")
    (runs / ".hidden").mkdir()
    found = list_runs([model_of(world)]).runs
    assert {run.run_id for run in found} == {"empty", "list", "words"}
    assert {(run.done, run.total, run.rates) for run in found} == {(0, 0, ())}


def test_the_runs_of_a_task_are_found_by_its_ids(world: WebWorld) -> None:
    dag, run = "tendies_batch_brush", "manual__2026-11-22T03:00:00+00:00"
    for name in (f"{dag}.{run}.infer.1", f"{dag}.{run}.infer.2", f"{dag}.{run}0.infer.1", f"{dag}.other.infer.1"):
        add_run(world, name, draw=False)
    found = runs_of_task([model_of(world)], dag, run, "infer")
    assert {one.run_id for one in found} == {f"{dag}.{run}.infer.1", f"{dag}.{run}.infer.2"}
    assert runs_of_task([model_of(world)], dag, run, "inf") == ()


def test_thousands_of_runs_are_listed_fast(world: WebWorld) -> None:
    runs = world.output / ".tendies" / "runs"
    for number in range(2000):
        (runs / f"r{number:05d}").mkdir(parents=True)
    model = model_of(world)
    began = time.perf_counter()
    assert list_runs([model]).total == 2000
    assert time.perf_counter() - began < 1.0


def test_a_silent_replica_is_an_answer_and_is_not_asked_all_the_time() -> None:
    now = [0.0]
    states = ServerStates(timeout_s=0.5, clock=lambda: now[0])
    nobody = Location(None, ("http://127.0.0.1:9",))
    first = states.of("m", nobody)
    assert "nothing listens" in first[0].problem
    assert states.of("m", nobody)[0] is first[0]
    now[0] = 5.0
    assert states.of("m", nobody)[0] is not first[0]


def test_a_chart_keeps_its_peaks_and_escapes_its_words() -> None:
    points = [(float(n), 100.0 if n == 7777 else 1.0) for n in range(10_000)]
    assert max(y for _, y in thin_out(points, 500)) == 100.0
    assert len(thin_out(points, 500)) <= 520
    chart = line_chart([Series("<b>", points)], unit="img/s", label='"><script>', marks=[5.0])
    assert "<script>" not in chart
    assert "<b>" not in chart
    assert line_chart([Series("x", points[:1])], unit="s", label="x") == ""


def test_every_part_of_a_bar_can_be_seen() -> None:
    bar = progress_bar(999_999, 0, 1, 1_000_000)
    assert 'class="fill-failed"' in bar
    assert "999,999 done, 0 skipped, 1 failed of 1,000,000" in bar
    assert "fill-done" not in progress_bar(0, 0, 0, 0)


@pytest.mark.parametrize(("value", "nice"), [(0, 1), (0.9, 1), (1.1, 2), (14.2, 20), (430, 500), (float("nan"), 1)])
def test_axes_end_at_round_numbers(value: float, nice: float) -> None:
    assert nice_ceiling(value) == nice


def test_a_version_says_what_its_swap_cost(world: WebWorld) -> None:
    add_release_report(world, 2)
    release = read_release(world.base_path, 2)
    assert release is not None
    assert [name for name, _ in release.phases] == ["before", "during", "after"]
    assert "zero is the rename. 1 of 50 requests failed" in release.chart
    assert "<span>0 s</span>" in release.chart, "the rename is on the scale"
    assert release.chart.count('class="failed"') == 1
    assert [(one.name, dict(one.values)) for one in release.pictures] == [
        ("hills-0", {"ssim": 0.931, "mean_abs": 12.2})
    ]
    assert read_release(world.base_path, 3) is None


@pytest.mark.parametrize(
    "text", [b"", b"[]", b'{"swap": 3, "gate": [], "seconds_to_available": "x"}', b'{"swap": {"timeline": [1]}}']
)
def test_a_malformed_release_report_is_not_an_error(world: WebWorld, text: bytes) -> None:
    (world.base_path / ".tendies" / "releases").mkdir(parents=True)
    (world.base_path / ".tendies" / "releases" / "2.json").write_bytes(text)
    release = read_release(world.base_path, 2)
    assert release is None or (release.chart, release.phases, release.pictures, release.lanes) == ("", (), (), ())


def test_candidates_are_exports_that_are_whole(world: WebWorld) -> None:
    name = add_candidate(world, "manual__2026-11-22T03:00:00+00:00")
    assert name == "tendies_release_brush.manual__2026-11-22T03_00_00_00_00"
    (world.base_path / ".exports" / "half").mkdir()
    (world.base_path / ".exports" / ".hidden").mkdir()
    (candidate,) = list_candidates(model_of(world))
    assert (candidate.name, candidate.rejected) == (name, False)
    assert golden_path(candidate.directory, 1, "after").name == "1.out.png"
    review = read_review(model_of(world), read_manifest(candidate.directory))
    assert review is not None
    assert (review.live_version, review.has_live(1), review.has_live(2)) == (2, True, False)
    assert [(one.name, one.value("ssim")) for one in review.pictures] == [("hills-0", 0.874), ("hills-1", 0.874)]


def test_a_rejected_candidate_stays_to_be_looked_at_and_is_no_version(world: WebWorld) -> None:
    name = add_candidate(world, "manual__x")
    exports = world.base_path / ".exports"
    (exports / name).rename(exports / f"{name}.rejected")
    add_event(world, "rejected", 0, reason="rejected by Ada: too pale")

    rejected = find_candidate(model_of(world), name)
    assert rejected == find_candidate(model_of(world), f"{name}.rejected"), "its address stays"
    assert rejected is not None
    assert rejected.rejected
    assert [row.version for row in read_model(model_of(world), ()).versions] == []


@pytest.mark.parametrize(
    ("run_id", "title", "dag_run_id"),
    [
        ("20261122T030000Z-aa11bb", "From the command line", None),
        (
            "tendies_batch_brush.manual__2026-11-22T03:00:00.123456+00:00.infer.1",
            "By hand",
            "manual__2026-11-22T03:00:00.123456+00:00",
        ),
        ("tendies_batch_brush.nightly.batch.infer.3.2", "Triggered, shard 4, try 2", "nightly"),
        ("tendies_batch_brush.nightly.batch.report.1", "Triggered", "nightly"),
        ("another_dag.nightly.infer.1", "From the command line", None),
    ],
)
def test_a_run_is_named_by_what_started_it(world: WebWorld, run_id: str, title: str, dag_run_id: str | None) -> None:
    add_run(world, run_id, draw=False)
    run = find_run(model_of(world), run_id)
    assert run is not None
    assert run.title == title
    assert (run.task.dag_run_id if run.task else None) == dag_run_id


def test_a_run_that_wrote_what_started_it_is_named_so(world: WebWorld) -> None:
    report = add_run(world, "tendies_batch_brush.asset_triggered__2026-11-22T03:00:00+00:00.infer.2") / "report.json"
    started = {"started_by": "After the release of version 8"}
    report.write_bytes(orjson.dumps({**orjson.loads(report.read_bytes()), **started}))
    (run,) = list_runs([model_of(world)], text="of VERSION 8").runs
    assert run.title == "After the release of version 8, try 2"


def test_a_result_that_a_later_run_has_replaced_is_distinguished_from_one_that_stands(world: WebWorld) -> None:
    add_run(world, "first", done=1, failed=0)
    run = find_run(model_of(world), "first")
    assert run is not None
    output = "coast/walk-000000.png"
    modified_ns = (world.output / output).stat().st_mtime_ns
    stands = {"output": output, "output_modified_ns": modified_ns}

    assert not was_rewritten(run, LedgerLine(1, stands))
    assert not was_rewritten(run, LedgerLine(1, {"output": output}))
    assert was_rewritten(run, LedgerLine(1, {**stands, "output_modified_ns": modified_ns - 1}))


def test_the_trend_of_runs_leaves_out_those_that_predicted_nothing() -> None:
    def run(state: str, rate: float) -> Any:
        return SimpleNamespace(state=state, images_per_second=rate)

    runs = [run("some failed", 12.5), run("done", 0.0), run("done", 30.0)]
    assert trend_of(runs) == [("done", 30.0), ("some", 12.5)]
