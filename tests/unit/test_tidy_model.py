"""A model's spec leads to all of its outputs and its base path, and `tendies tidy` keeps what is needed there."""

from __future__ import annotations

import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.errors import OutputFolderError
from tendies_ops.inference.storage.local import LocalOutput
from tendies_ops.partitions.keys import partitions_of
from tendies_ops.partitions.partition_states import list_states
from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.publish.tidy_base_path import tidy_base_path
from tendies_ops.spec import ModelSpec, RetentionSpec
from tendies_ops.tidy_model import output_folders, tidy_model
from tests.support.batch_bench import Bench, bench, counts, make_bench
from tests.support.partitioned import partitioned_spec
from tests.support.sample_pictures import folder_of_pngs

__all__ = ["bench", "make_bench"]  # fixtures
DAYS = [f"2026-06-0{number}" for number in range(1, 4)]
_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}
NEWEST = RetentionSpec(keep_runs=1, keep_days=0)


def spec_of(**batch: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, "batch": batch})


@pytest.fixture
def june(tmp_path: Path, bench: Bench) -> ModelSpec:
    """Three days, each processed three times with four pictures."""
    for day in DAYS:
        bench.input = folder_of_pngs(tmp_path / "in" / day, 4)
        bench.output = tmp_path / "out" / day
        for kind in ("png", "webp", "jpeg"):
            bench.run(output_format=kind)
    return partitioned_spec(tmp_path, model_name="m", every="day", start=DAYS[0])


def runs_of(output: Path) -> list[Path]:
    return sorted((output / ".tendies" / "runs").iterdir(), key=lambda run: run.stat().st_mtime_ns)


def test_every_partition_is_tidied(june: ModelSpec, tmp_path: Path) -> None:
    summary = tidy_model(june, NEWEST).summary()

    assert (summary["outputs"], summary["runs_removed"], summary["lines_removed"]) == (3, 6, 24)
    assert summary["freed_in"].keys() == {str(tmp_path / "out" / day) for day in DAYS}
    assert tidy_model(june, NEWEST).summary()["bytes_freed"] == 0


def test_a_partition_that_is_written_is_left_alone_and_named(june: ModelSpec, tmp_path: Path) -> None:
    with LocalOutput(tmp_path / "out" / DAYS[1]).locked():
        done = tidy_model(june, NEWEST)

    assert set(done.outputs) == {str(tmp_path / "out" / day) for day in (DAYS[0], DAYS[2])}
    [why] = done.left_alone.values()
    assert "Another batch run is writing" in why
    assert not done.refused


def test_a_folder_that_refuses_does_not_keep_the_others_from_being_tidied(june: ModelSpec, tmp_path: Path) -> None:
    ledger = tmp_path / "out" / DAYS[0] / ".tendies" / "ledger.jsonl"
    ledger.unlink()
    ledger.mkdir()
    done = tidy_model(june, NEWEST)
    assert len(done.outputs) == 2
    assert [type(error) for error in done.refused] == [OutputFolderError]


def test_outputs_are_found_below_a_template_and_of_a_fan_out(tmp_path: Path, bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    for place in ("out/2026/a", "out/2026/b/c", "fan", "fan/style=1"):
        bench.output = tmp_path / place
        bench.run(take_over=True)
    other = tmp_path / "out" / "2026" / "other"
    bench.output = other
    bench.run()
    for file in ("owner.json", "ledger.jsonl"):
        path = other / ".tendies" / file
        path.write_text(path.read_text().replace('"m"', '"another"'))

    assert sorted(output_folders(spec_of(output=f"{tmp_path}/out/{{{{ run_id }}}}"))) == [
        str(tmp_path / "out/2026/a"),
        str(tmp_path / "out/2026/b/c"),
    ]
    assert list(output_folders(spec_of(output=str(tmp_path / "fan")))) == [
        str(tmp_path / "fan"),
        str(tmp_path / "fan/style=1"),
    ]
    assert list(output_folders(spec_of(output="{{ params.place }}"))) == []


def test_an_object_store_is_named_and_left_alone() -> None:
    done = tidy_model(spec_of(output="memory://styled"), NEWEST)
    assert "object store" in done.left_alone["memory://styled"]


def end_of_child(work: Callable[[], object], *, killed_at: int) -> int:
    """Do some work in a child that is killed at the n-th change of the outputs' folders; return its exit code."""
    changes = itertools.count(1)

    def kill(event: str, _: object) -> None:
        if event in _CHANGES and next(changes) == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        sys.addaudithook(kill)
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("attempt", range(6))
def test_a_tidy_that_is_killed_loses_nothing_that_a_run_or_a_page_needs(
    june: ModelSpec, tmp_path: Path, bench: Bench, attempt: int
) -> None:
    assert end_of_child(partial(tidy_model, june, NEWEST), killed_at=1 + 7 * attempt) == -signal.SIGKILL

    partitions = partitions_of(june)
    assert partitions is not None
    assert [(one.state, one.done) for one in list_states(partitions, DAYS, 1)] == [("done", 4)] * 3
    for day in DAYS:
        newest = runs_of(tmp_path / "out" / day)[-1]
        lines = map(json.loads, (newest.parents[1] / "ledger.jsonl").read_bytes().splitlines())
        assert sum(line["run_id"] == newest.name for line in lines) == 4
        bench.input, bench.output = tmp_path / "in" / day, tmp_path / "out" / day
        assert counts(bench.run(output_format="jpeg")) == (4, 0, 4, 0)
    assert not tidy_model(june, NEWEST).left_alone
    assert [len(runs_of(tmp_path / "out" / day)) for day in DAYS] == [1, 1, 1]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """The reports and sheets of the releases 1 to 6, of which 5 and 6 are still there, all old."""
    releases = tmp_path / "models" / ".tendies" / "releases"
    releases.mkdir(parents=True)
    for version in range(1, 7):
        append_history(tmp_path / "models", HistoryRecord("released", version))
        (releases / f"{version}.json").write_text(json.dumps({"gate": {"contact_sheet": f"x/gate-{version}.png"}}))
        (releases / f"gate-{version}.png").write_bytes(b"png")
        for path in releases.glob(f"*{version}.*"):
            os.utime(path, (time.time() - (207 - version) * 86_400,) * 2)
    for version in (5, 6):
        (tmp_path / "models" / str(version)).mkdir()
    return tmp_path / "models"


def names_in(base: Path) -> list[str]:
    return sorted(path.name for path in (base / ".tendies" / "releases").iterdir())


def test_reports_of_versions_that_are_gone_are_removed_with_their_sheets(base: Path) -> None:
    would = tidy_base_path(base, keep_reports=3, keep_days=90, dry_run=True)
    assert len(names_in(base)) == 12
    assert tidy_base_path(base, keep_reports=3, keep_days=90) == would
    assert (would.reports_kept, would.reports_removed) == (3, 3)
    assert names_in(base) == [*(f"{n}.json" for n in (4, 5, 6)), *(f"gate-{n}.png" for n in (4, 5, 6))]
    assert tidy_base_path(base, keep_reports=1, keep_days=300).reports_removed == 0


def test_a_base_path_with_a_release_under_way_or_killed_is_left_alone(base: Path) -> None:
    spec = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}})
    with lock_base_path(base, purpose="release"):
        assert "release" in tidy_model(spec, NEWEST, model_base_path=base).left_alone[str(base)]
    (base / ".tendies" / "journal.json").write_text("{}")
    assert "was killed" in tidy_model(spec, NEWEST, model_base_path=base).left_alone[str(base)]
    assert len(names_in(base)) == 12


def test_the_command_takes_a_spec(june: ModelSpec, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    facts = {**june.model_dump(mode="json", exclude_unset=True), "retention": {"keep_runs": 2, "keep_days": 0}}
    path.write_text(json.dumps(facts))
    done = CliRunner().invoke(app, ["tidy", str(path), "--json"])
    assert json.loads(done.stdout)["runs_removed"] == 3
    done = CliRunner().invoke(app, ["tidy", str(path), "--keep-runs", "1"])
    assert "3 runs and" in done.stdout
