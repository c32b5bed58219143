from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from tendies_ops.publish.owner import Owner


@pytest.fixture
def corrected_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine as it looks after its clock was put forward by an hour: the boot is an hour later than before."""
    stat = Path("/proc/stat").read_text(encoding="ascii")
    [booted_s] = [line.split()[1] for line in stat.splitlines() if line.startswith("btime")]
    (tmp_path / "stat").write_text(stat.replace(f"btime {booted_s}", f"btime {int(booted_s) + 3600}"))
    (tmp_path / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))


@pytest.fixture
def me() -> Owner:
    return Owner.me()


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="looks at Linux's /proc")
def test_a_process_does_not_count_as_dead_because_the_clock_was_corrected(me: Owner, corrected_clock: None) -> None:
    assert not me.is_known_dead()
