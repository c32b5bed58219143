"""The state of a partition, from what real runs have written."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.errors import UsageError
from tendies_ops.partitions import partition_states
from tendies_ops.partitions.partition_states import PartitionState, list_states
from tests.support.batch_bench import Bench, bench, make_bench
from tests.support.partitioned import made_partitions, partitioned_spec
from tests.support.sample_pictures import folder_of_pngs

__all__ = ["bench", "make_bench"]  # fixtures
KEY = "2026-06-01"


@pytest.fixture
def root(bench: Bench) -> Path:
    bench.output = bench.input.parent / "out" / KEY
    folder_of_pngs(bench.input, 3)
    return bench.input.parent


def state(root: Path, in_service: int | None = 1, now_s: float | None = None) -> PartitionState:
    [found] = list_states(made_partitions(root, every="day", start=KEY), [KEY], in_service, now_s=now_s)
    return found


def test_a_partition_without_results_is_missing(root: Path) -> None:
    assert state(root) == PartitionState(KEY, "missing")


def test_a_partition_is_done_and_then_older_when_another_version_serves(root: Path, bench: Bench) -> None:
    report = bench.run()
    assert state(root) == PartitionState(KEY, "done", 3, 0, (1,), report.run_id)
    assert state(root, 2).state == "older"
    assert state(root, None).state == "done"


def test_a_broken_picture_fails_a_part_and_all_broken_fail_it(root: Path, bench: Bench) -> None:
    bench.add("broken.png", b"no picture")
    bench.run(max_failed=9)
    assert (state(root).state, state(root).failed) == ("some failed", 1)

    shutil.rmtree(bench.output)
    for path in bench.input.iterdir():
        path.write_bytes(b"broken")
    bench.run(max_failed=9)
    assert state(root).state == "failed"


def test_a_partition_without_pictures_is_done_if_that_is_allowed(root: Path, bench: Bench) -> None:
    shutil.rmtree(bench.input)
    bench.input.mkdir()
    bench.run(allow_empty=True)
    assert state(root).state == "done"


def test_a_run_that_was_killed_is_running_until_it_has_been_silent(root: Path, bench: Bench) -> None:
    report = bench.run()
    run = bench.output / ".tendies" / "runs" / report.run_id
    (run / "report.json").unlink()
    (run / "progress.json").write_text(json.dumps({"state": "running"}))
    now_s = time.time()
    assert state(root, now_s=now_s).state == "running"
    assert state(root, now_s=now_s + partition_states.SILENT_S + 1).state == "stopped"
    (run / "progress.json").write_text(json.dumps({"state": "stopped"}))
    assert state(root, now_s=now_s).state == "stopped"


def test_the_newest_line_about_a_picture_counts_and_a_torn_one_does_not(root: Path, bench: Bench) -> None:
    bench.run()
    ledger = bench.output / ".tendies" / "ledger.jsonl"
    record = json.loads(ledger.read_bytes().splitlines()[0])
    failed = {**record, "outcome": "failed", "output": None, "kind": "refused", "reason": "x"}
    with ledger.open("ab") as stream:
        stream.write(json.dumps(failed).encode() + b"\n" + b'{"input": "torn')
    assert (state(root).state, state(root).done, state(root).failed) == ("some failed", 2, 1)


def test_an_output_in_an_object_store_is_refused_with_the_reason(tmp_path: Path) -> None:
    partitions = made_partitions("s3://bucket", every="day", start=KEY)
    with pytest.raises(UsageError, match="in an object store, and only outputs on a disk"):
        list(list_states(partitions, [KEY], None))


def test_the_command_lists_a_range_as_lines_and_as_json(root: Path, bench: Bench) -> None:
    bench.run()
    spec = root / "strokes.yaml"
    spec.write_text(
        yaml.safe_dump(partitioned_spec(root, every="day", start=KEY).model_dump(mode="json", exclude_unset=True))
    )
    arguments = ["partitions", str(spec), "--from", KEY, "--to", "2026-06-02"]

    lines = CliRunner().invoke(app, arguments).stdout.splitlines()
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)

    assert lines[:2] == [f"{KEY}\tdone\t3 done, 0 failed\tversion 1", "2026-06-02\tmissing\t0 done, 0 failed\t-"]
    assert [(one["key"], one["state"]) for one in found["partitions"]] == [(KEY, "done"), ("2026-06-02", "missing")]


def test_a_spec_without_partitions_names_what_to_add(tmp_path: Path) -> None:
    spec = tmp_path / "m.yaml"
    spec.write_text(yaml.safe_dump({"model_name": "m", "source": {"checkpoint": "c"}}))
    result = CliRunner().invoke(app, ["partitions", str(spec)])
    assert isinstance(result.exception, UsageError)
    assert "add `partitions` to one of its batches" in str(result.exception)
