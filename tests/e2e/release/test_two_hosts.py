"""
The lock between two hosts that share the model base path: processes with host names and process numbers of their own.

Linux namespaces make the hosts. Where a container may not have them, the name alone is another, which the lock takes
for another host as well.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tendies_ops.errors import LockHeldError
from tendies_ops.publish.lock import lock_base_path
from tests.support.lock_worker import STALE_AFTER_S

_ROOT = Path(__file__).parents[3]
_NAMESPACES = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]


def _on_host(host: str) -> list[str]:
    """What starts a command there."""
    as_host = [*_NAMESPACES, "sh", "-c", 'hostname "$0" && exec "$@"', host]
    allowed = subprocess.run([*as_host, "true"], check=False, capture_output=True).returncode == 0
    return as_host if allowed else []


def start(host: str, base: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [*_on_host(host), sys.executable, "-m", "tests.support.lock_worker", host, str(base), *arguments]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "count").write_text("0")
    return tmp_path


def test_two_hosts_never_have_the_lock_at_the_same_time(base: Path) -> None:
    workers = [start(host, base, "count", "25") for host in ("trainer-a", "trainer-b")]

    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert (base / "count").read_text() == "50"


def test_a_host_that_lives_is_waited_for_and_one_that_is_gone_is_passed_over(base: Path) -> None:
    holder = start("trainer-a", base, "hold")
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(LockHeldError, match=r"@trainer-a.*holding on trainer-a"),
            lock_base_path(base, purpose="test", timeout_s=STALE_AFTER_S + 1.0, stale_after_s=STALE_AFTER_S),
        ):
            pass
        holder.kill()
        killed_s = time.monotonic()
        with lock_base_path(base, purpose="test", timeout_s=30.0, stale_after_s=STALE_AFTER_S):
            waited_s = time.monotonic() - killed_s
    finally:
        holder.kill()
        holder.wait(10)

    assert waited_s > STALE_AFTER_S / 2, "another host was taken for dead before its time"
