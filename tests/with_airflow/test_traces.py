"""The spans that releases and batches send where Airflow has tracing on, and nothing where it is off."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tendies_ops.spans import current_span, span
from tests.support.candidates import MODEL_NAME
from tests.support.otlp_receiver import OtlpReceiver
from tests.with_airflow.conftest import Observed


@pytest.fixture
def traces(observed: Observed) -> OtlpReceiver:
    return observed.traces


def test_a_batch_has_a_span_with_its_counts_and_one_for_each_request(traces: OtlpReceiver) -> None:
    first = traces.named("tendies.batch")[0]
    requests = [one for one in traces.named("tendies.batch.request") if one.parent == first.id]

    assert first.attributes["tendies.model"] == MODEL_NAME
    assert (first.attributes["tendies.done"], first.attributes["tendies.version"]) == (3, 1)
    assert len(requests) == first.attributes["tendies.requests"]
    assert sum(one.attributes["tendies.pictures"] for one in requests) == 3
    assert {one.trace for one in requests} == {first.trace}


def test_a_partition_has_its_key_and_a_run_that_cannot_begin_its_error(traces: OtlpReceiver) -> None:
    _, unread, of_partition = traces.named("tendies.batch")

    assert unread.failed
    assert any(name.endswith("InputFolderError") for name in unread.exceptions)
    assert of_partition.attributes["tendies.partition_key"] == "2026-06-14"


def test_a_release_has_a_span_for_each_step(traces: OtlpReceiver) -> None:
    names = [one.name for one in traces.spans if one.name.startswith("tendies.release.")]
    steps = [name.removeprefix("tendies.release.") for name in names]

    assert steps[:3] == ["wait_for_runs", "recover", "gate"]
    assert steps[3:8] == ["wait_for_runs", "publish", "load", "prove", "commit"]
    assert "withdraw" in steps
    [failed] = [one for one in traces.named("tendies.release.load") if one.failed]
    assert any(name.endswith("LoadFailedError") for name in failed.exceptions)


def test_all_belong_to_the_trace_of_the_task(traces: OtlpReceiver) -> None:
    [task] = traces.named("tasks")
    assert {one.trace for one in traces.spans if one.name.startswith("tendies.")} == {task.trace}


def test_without_tracing_there_is_no_span_and_it_costs_next_to_nothing() -> None:
    assert current_span() is None
    started_s = time.process_time()
    for _ in range(10_000):
        with span("tendies.batch.request", pictures=32) as seen:
            assert seen is None
    assert time.process_time() - started_s < 1.0


def test_a_command_does_not_import_the_library() -> None:
    script = "import sys, tendies_ops.cli.main, tendies_ops.inference, tendies_ops.release, tendies_ops.spans as s\n"
    script += "assert s.current_span() is None and 'opentelemetry' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
