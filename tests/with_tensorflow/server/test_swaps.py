"""Swaps with TensorFlow under load: no failed request, and memory comes back."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.support.clients import Clients
from tests.support.life_cycle import publish, withdraw
from tests.support.model_server import RunningServer, start_model_server

QUICK_POLL = "--file_system_poll_wait_seconds=0.1"


def link_version(source: Path, base: Path, version: int) -> None:
    """Publish by one rename, without copying the weights."""
    staging = base / f".{version}"
    staging.symlink_to(source)
    staging.rename(base / str(version))


def swap_up(server: RunningServer, base: Path, models: Path, version: int) -> None:
    link_version(models / str(version % 2 + 1), base, version)
    server.wait_for("m", version)
    server.wait_for("m", version - 1, "END")


def test_no_request_fails_through_swaps_and_a_withdrawal(tmp_path: Path, suffix_models: Path) -> None:
    publish(suffix_models / "1", tmp_path, 1)
    with (
        start_model_server("--model_name=m", f"--model_base_path={tmp_path}", QUICK_POLL) as server,
        Clients(server.port, "m") as clients,
    ):
        for version in range(2, 6):
            swap_up(server, tmp_path, suffix_models, version)
        withdraw(tmp_path, 5)
        server.wait_for("m", 4)
        server.wait_for("m", 5, "END")
    assert clients.failures == []
    assert set(clients.answers) == {b"picture|1", b"picture|2"}


@pytest.mark.slow
def test_fifty_swaps_up_and_ten_withdrawals_under_load(tmp_path: Path, suffix_models: Path) -> None:
    publish(suffix_models / "1", tmp_path, 1)
    with (
        start_model_server("--model_name=m", f"--model_base_path={tmp_path}", QUICK_POLL) as server,
        Clients(server.port, "m") as clients,
    ):
        for version in range(2, 52):
            swap_up(server, tmp_path, suffix_models, version)
        for version in range(51, 41, -1):
            withdraw(tmp_path, version)
            server.wait_for("m", version - 1)
            server.wait_for("m", version, "END")
    assert clients.failures == []
    assert sum(clients.answers.values()) > 1000


@pytest.mark.slow
def test_memory_comes_back_over_a_hundred_swaps(tmp_path: Path, heavy_models: Path) -> None:
    publish(heavy_models / "1", tmp_path, 1)
    with start_model_server("--model_name=m", f"--model_base_path={tmp_path}", QUICK_POLL) as server:
        process = psutil.Process(server.process.pid)
        for version in range(2, 12):
            swap_up(server, tmp_path, heavy_models, version)
        before_mb = process.memory_info().rss / 1e6
        for version in range(12, 112):
            swap_up(server, tmp_path, heavy_models, version)
        grown_mb = process.memory_info().rss / 1e6 - before_mb
    assert grown_mb < 60, f"{before_mb:.0f} MB before, {grown_mb:.0f} MB more after 100 swaps of a 40 MiB model"
