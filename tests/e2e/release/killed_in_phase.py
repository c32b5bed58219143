"""Releases a candidate, and kills itself once the journal is in a given phase; for ``test_true_stories.py``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tendies_ops.release import release_model
from tendies_ops.release.record import journal
from tendies_ops.spec import ReleaseSpec

OPTIONS = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=2)
_write = journal.write_journal


def _write_and_die(model_base_path: Path, entry: journal.Journal) -> None:
    _write(model_base_path, entry)
    if entry.phase == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    journal.write_journal = _write_and_die  # type: ignore[assignment]  # its parameter has another name
    release_model(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:], options=OPTIONS)
