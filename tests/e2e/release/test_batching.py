"""Releases on a server with --enable_batching, while another client feeds it with pictures that do not decode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tendies_ops.publish.history import read_history
from tendies_ops.release import release_model
from tendies_ops.spec import ReleaseSpec
from tendies_ops.spec.release_spec import SwapLimits
from tests.support.candidates import MODEL_NAME, make_candidate, picture
from tests.support.model_server import RunningServer
from tests.support.shift_server import start_shift_server
from tests.support.steady_load import SteadyLoad

OPTIONS = ReleaseSpec(
    available_timeout_s=60, restore_timeout_s=60, unreachable_grace_s=5, limits=SwapLimits(max_failed_requests=0)
)
RUBBISH = picture(3)[:200]  # a PNG that ends too early
PARAMETERS = {"default": "", "60 ms": "max_batch_size { value: 64 } batch_timeout_micros { value: 60000 }"}


@pytest.fixture(params=sorted(PARAMETERS))
def batching(request: pytest.FixtureRequest, tmp_path: Path, base: Path) -> Iterator[RunningServer]:
    flags = ["--enable_batching", "--max_num_load_retries=0", "--num_load_threads=2"]
    if PARAMETERS[request.param]:
        parameters = tmp_path / "batching.pbtxt"
        parameters.write_text(PARAMETERS[request.param])
        flags.append(f"--batching_parameters_file={parameters}")
    with start_shift_server(base, *flags) as server:
        yield server


@pytest.mark.parametrize(
    "releases",
    [
        pytest.param(2, id="2", marks=pytest.mark.timeout(120)),
        pytest.param(20, id="20", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_no_good_version_is_withdrawn_for_pictures_of_other_clients(
    tmp_path: Path, base: Path, batching: RunningServer, releases: int
) -> None:
    release_model(make_candidate(tmp_path / "first", by=100), base, [batching.url], options=OPTIONS)
    with ExitStack() as stack:
        others = [stack.enter_context(SteadyLoad(batching.url, MODEL_NAME, RUBBISH)) for _ in range(2)]
        reports = [
            release_model(make_candidate(tmp_path / f"{by}", by=by), base, [batching.url], options=OPTIONS)
            for by in range(1, releases + 1)
        ]

    assert [report.version for report in reports] == list(range(2, releases + 2))
    assert [record for record in read_history(base) if record.event == "withdrawn"] == []
    assert all(report.swap["failed_by_swap"] == 0 for report in reports)
    assert all(other.answered == 0 and other.failures for other in others), "the other clients must be refused"
