"""
A server with the real one's default flags: five retries, and nothing else is loaded or unloaded in the meantime.

The embedded server's own manager decides here; the retry interval is shortened so that "for minutes" is seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tendies_ops.errors import LoadFailedError
from tendies_ops.release import release_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.model_server import RunningServer
from tests.support.ports import free_port
from tests.support.shift_server import start_shift_server
from tests.support.steady_load import SteadyLoad

OPTIONS = ReleaseSpec(available_timeout_s=3, restore_timeout_s=20, unreachable_grace_s=5)
PATIENT = OPTIONS.model_copy(update={"available_timeout_s": 40.0})  # a server starts in seconds where many run
RETRYING = ("--max_num_load_retries=5", "--load_retry_interval_micros=2600000", "--num_load_threads=0")


@pytest.fixture
def retrying(base: Path) -> Iterator[RunningServer]:
    with start_shift_server(base, *RETRYING) as server:
        yield server


def test_a_version_that_stays_loading_is_withdrawn_at_the_deadline_and_blocks_the_next_truthfully(
    tmp_path: Path, base: Path, retrying: RunningServer
) -> None:
    """The first release also meets a closed port: it opens with the first version."""
    release_model(make_candidate(tmp_path / "good", by=10), base, [retrying.url], options=PATIENT)
    broken = make_candidate(tmp_path / "broken", by=20, error="DATA_LOSS: not an sstable")
    better = make_candidate(tmp_path / "better", by=30)

    with SteadyLoad(retrying.url, MODEL_NAME, picture(5)) as load:
        with pytest.raises(LoadFailedError, match=r"did not serve it in time: after 3 s: LOADING.*Version 1 serves on"):
            release_model(broken, base, [retrying.url], options=OPTIONS)
        with pytest.raises(LoadFailedError, match=r"still loading version 2.*--max_num_load_retries=0"):
            release_model(better, base, [retrying.url], options=OPTIONS)
        truth = available_versions(retrying.url), predict(retrying.url, picture(6))
        report = release_model(better, base, [retrying.url], options=PATIENT)

    assert truth == ([1], shift(picture(6), 10))
    assert (report.version, report.previous_version) == (4, 1)
    assert load.failures == []
    assert set(load.pictures) == {shift(picture(5), 10), shift(picture(5), 30)}


def test_with_the_flags_that_the_docs_recommend_the_servers_own_error_comes_at_once(tmp_path: Path, base: Path) -> None:
    with start_shift_server(base, "--max_num_load_retries=0", "--num_load_threads=2") as server:
        release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=PATIENT)

        with pytest.raises(LoadFailedError, match=r"could not load it: DATA_LOSS: .*not an sstable"):
            release_model(
                make_candidate(tmp_path / "b", by=20, error="DATA_LOSS: not an sstable"),
                base,
                [server.url],
                options=OPTIONS,
            )

        assert available_versions(server.url) == [1]


def test_a_first_release_that_does_not_load_says_that_there_is_nothing_to_go_back_to(
    tmp_path: Path, base: Path
) -> None:
    with (
        start_shift_server(base, "--max_num_load_retries=0", port=free_port()) as server,
        pytest.raises(LoadFailedError, match="There was no previous version: stripes is not served"),
    ):
        release_model(
            make_candidate(tmp_path / "b", error="DATA_LOSS: not an sstable"), base, [server.url], options=OPTIONS
        )

    assert [p.name for p in base.iterdir() if p.name.isdigit()] == []
