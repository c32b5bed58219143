"""The candidate of a release, read from its journal without the lock."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import get_args

import pytest

from tendies_ops.errors import PublishError
from tendies_ops.publish.history import Event, HistoryRecord, append_history
from tendies_ops.publish.layout import JOURNAL_NAME, STATE_DIRECTORY
from tendies_ops.publish.lock import lock_base_path, read_lock
from tendies_ops.publish.unproved import Unproved, read_unproved
from tendies_ops.release.record.journal import Journal, Phase, write_journal

JOURNAL = Journal("available", "m", "sha256:2", 2, 1, ("http://127.0.0.1:8501",), "2026-11-30T00:00:00+00:00")
DOUBTFUL = {"staged", "loading", "available", "withdrawing"}


@pytest.mark.parametrize("phase", get_args(Phase))
def test_a_candidate_is_unproved_in_the_phases_before_its_proof_and_while_it_is_withdrawn(
    tmp_path: Path, phase: Phase
) -> None:
    write_journal(tmp_path, dataclasses.replace(JOURNAL, phase=phase))
    assert (read_unproved(tmp_path) is not None) == (phase in DOUBTFUL)


def test_no_journal_means_no_candidate(tmp_path: Path) -> None:
    assert read_unproved(tmp_path) is None
    assert read_unproved(tmp_path / "none") is None


def test_a_release_that_holds_the_lock_is_under_way_and_one_that_does_not_was_killed(tmp_path: Path) -> None:
    with lock_base_path(tmp_path, purpose="release"):
        write_journal(tmp_path, JOURNAL)
        assert read_unproved(tmp_path) == Unproved(2, killed=False)
    assert read_unproved(tmp_path) == Unproved(2, killed=True)


def test_a_lock_whose_owner_is_dead_is_that_of_a_killed_release(tmp_path: Path) -> None:
    program = (
        "import os, sys, pathlib; from tendies_ops.publish.lock import lock_base_path\n"
        "with lock_base_path(pathlib.Path(sys.argv[1]), purpose='release'): os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    write_journal(tmp_path, JOURNAL)
    assert not read_lock(tmp_path).released
    assert read_unproved(tmp_path) == Unproved(2, killed=True)


def test_a_lock_of_another_host_that_is_not_touched_any_more_is_that_of_a_killed_release(tmp_path: Path) -> None:
    write_journal(tmp_path, JOURNAL)
    lock = tmp_path / STATE_DIRECTORY / "lock.1"
    owner = {"user": "a", "host": "elsewhere", "boot_id": "b", "pid_namespace": "p", "pid": 1, "process_started_s": 1.0}
    lock.write_text(json.dumps({"owner": owner, "purpose": "release"}))
    assert read_unproved(tmp_path) == Unproved(2, killed=False)
    os.utime(lock, (time.time() - 120, time.time() - 120))
    assert read_unproved(tmp_path) == Unproved(2, killed=True)


@pytest.mark.parametrize("event", ["released", "rolled_back"])
def test_a_version_that_was_released_before_is_not_in_doubt_while_its_content_is_released_again(
    tmp_path: Path, event: Event
) -> None:
    write_journal(tmp_path, JOURNAL)
    append_history(tmp_path, HistoryRecord(event, 2))
    assert read_unproved(tmp_path) is None


def test_a_version_that_served_before_its_release_began_is_not_in_doubt(tmp_path: Path) -> None:
    write_journal(tmp_path, JOURNAL)
    path = tmp_path / STATE_DIRECTORY / JOURNAL_NAME
    journal = json.loads(path.read_text())
    for version, doubtful in ((1, True), (2, False)):
        path.write_text(json.dumps({**journal, "before": {"available": {"http://127.0.0.1:8501": [version]}}}))
        assert (read_unproved(tmp_path) is not None) == doubtful


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "x", "phase": "staged"}', "\xff"])
def test_a_journal_that_cannot_be_read_is_never_taken_for_none(tmp_path: Path, text: str) -> None:
    write_journal(tmp_path, JOURNAL)
    (tmp_path / STATE_DIRECTORY / JOURNAL_NAME).write_text(text, encoding="latin-1")
    with pytest.raises(PublishError, match="not known which version"):
        read_unproved(tmp_path)
