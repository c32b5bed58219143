from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tendies_ops.errors import PublishError
from tendies_ops.publish import publish_version
from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.publish.leases import EXPIRES_AFTER_S, hold_lease, live_leases, remove_dead_leases
from tendies_ops.publish.owner import Owner
from tendies_ops.publish.retention import apply_retention, versions_to_remove
from tendies_ops.publish.version_dirs import list_version_dirs
from tests.support.candidates import make_candidate


def test_only_the_newest_are_kept() -> None:
    assert versions_to_remove(range(1, 8), keep=3, serving=[], leased=[], good=[]) == [1, 2, 3, 4]


def test_what_serves_is_leased_or_was_good_last_is_kept() -> None:
    doomed = versions_to_remove(range(1, 10), keep=1, serving=[4], leased=[2], good=[3, 5, 6])

    assert doomed == [1, 3, 7, 8]


def test_at_least_one_version_is_always_kept() -> None:
    assert versions_to_remove([5], keep=0, serving=[], leased=[], good=[]) == []


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model base path with the versions 1 to 5, to be copied."""
    root = tmp_path_factory.mktemp("published")
    path = root / "base"
    path.mkdir()
    for number in range(1, 6):
        publish_version(make_candidate(root / str(number), by=number), path)
        append_history(path, HistoryRecord("released", number))
    return path


@pytest.fixture
def base(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "base"))


def test_retention_removes_and_remembers(base: Path) -> None:
    assert apply_retention(base, keep=2, serving=[5]) == [1, 2, 3]

    assert [c.version for c in list_version_dirs(base)] == [4, 5]
    assert publish_version(make_candidate(base.parent / "again", by=1), base).version == 6


def test_a_leased_version_survives_retention_until_the_run_ends(base: Path) -> None:
    with hold_lease(base, 1, holder="run 1"):
        assert 1 not in apply_retention(base, keep=2, serving=[5])
        assert (base / "1" / "saved_model.pb").exists()

    assert apply_retention(base, keep=2, serving=[5]) == [1]


def test_a_lease_ends_with_its_run(base: Path) -> None:
    with hold_lease(base, 2, holder="run 2") as lease:
        assert [str(found) for found in live_leases(base)] == [str(lease)]

    assert live_leases(base) == []


def write_lease(path: Path, owner: Owner) -> None:
    path.write_text(json.dumps({"holder": "x", "owner": owner.to_json()}))


def test_a_lease_of_a_dead_process_or_a_silent_host_counts_no_more(base: Path) -> None:
    with hold_lease(base, 2, holder="run 2") as lease:
        write_lease(lease.path, replace(Owner.me(), host="other"))
        assert len(live_leases(base)) == 1
        assert live_leases(base, now_unix_s=time.time() + EXPIRES_AFTER_S + 5) == []

        write_lease(lease.path, replace(Owner.me(), process_started_s=-100.0))
        assert live_leases(base) == []


def test_a_lease_of_a_process_that_is_seen_to_live_outlasts_a_clock_that_was_put_forward(base: Path) -> None:
    with hold_lease(base, 2, holder="run 2") as lease:
        assert live_leases(base, now_unix_s=time.time() + 3600) == [lease]
        os.utime(lease.path, (0, 0))
        remove_dead_leases(base)

        assert live_leases(base) == [lease]


def test_a_lease_that_was_cleared_away_while_its_run_was_paused_is_there_again_at_its_next_beat(base: Path) -> None:
    with hold_lease(base, 2, holder="run 2", heartbeat_s=0.01) as lease:
        write_lease(lease.path, replace(Owner.me(), host="other"))
        lease.path.unlink()
        deadline_s = time.monotonic() + 10
        while not live_leases(base) and time.monotonic() < deadline_s:
            time.sleep(0.01)

        assert live_leases(base) == [lease]

    assert live_leases(base) == []


def test_a_version_that_is_not_there_cannot_be_leased(base: Path) -> None:
    with pytest.raises(PublishError, match="no version 99"), hold_lease(base, 99, holder="run"):
        pass

    assert live_leases(base) == []
