"""Old and new version that do not fit into memory together, and what the spec wants then."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from tendies_ops.errors import LoadFailedError, ReleaseError, StoppedError
from tendies_ops.publish.layout import state_directory
from tendies_ops.publish.stage import tree_size_bytes
from tendies_ops.release import release_model
from tendies_ops.release.checks import memory
from tendies_ops.release.checks.memory import free_bytes, read_factor, remember_factor
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import make_candidate
from tests.support.independent_checker import available_versions
from tests.support.watching_server import WatchingServer

QUICK = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)
UNLOAD_FIRST = QUICK.model_copy(update={"memory": "unload_first"})


@pytest.fixture
def huge(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    """Version 1 serves, and every byte on disk has been measured to take a terabyte in memory."""
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    (state_directory(base) / "memory.json").write_text(json.dumps({"bytes_in_memory_per_byte_on_disk": 1e12}))


@pytest.mark.usefixtures("huge")
def test_refusing_changes_nothing_and_says_how_much_is_missing(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    with pytest.raises(ReleaseError, match=r"needs \d+ MB more and has \d+ MB free.*unload_first"):
        release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=QUICK)

    assert server.loads == [1]


@pytest.mark.usefixtures("huge")
def test_unloading_first_leaves_a_gap_and_then_serves_with_the_old_one_to_go_back_to(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    report = release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=UNLOAD_FIRST)

    assert any("Unloaded what served first" in note for note in report.notes)
    assert available_versions(server.url) == [2]
    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["1", "2"]


def window(*, hours_from_now: int) -> str:
    """Two hours long, around ``hours_from_now``."""
    middle = datetime.now(timezone.utc) + timedelta(hours=hours_from_now)
    return f"{middle - timedelta(hours=1):%H:%M}-{middle + timedelta(hours=1):%H:%M} UTC"


@pytest.mark.usefixtures("huge")
def test_unloading_first_outside_the_idle_window_changes_nothing_and_says_when_it_begins(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    options = UNLOAD_FIRST.model_copy(update={"idle_window": window(hours_from_now=6)})

    with pytest.raises(ReleaseError, match=r"idle window begins at \d{4}-.* UTC. Nothing was changed"):
        release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=options)

    assert server.loads == [1]


@pytest.mark.usefixtures("huge")
def test_unloading_first_in_the_idle_window_is_done(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    options = UNLOAD_FIRST.model_copy(update={"idle_window": window(hours_from_now=0)})

    release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=options)

    assert available_versions(server.url) == [2]


@pytest.mark.usefixtures("huge")
def test_unloading_first_for_a_version_that_does_not_load_brings_the_old_one_back(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    broken = make_candidate(tmp_path / "b", by=20, error="INTERNAL: no")

    with pytest.raises(LoadFailedError, match="Version 1 serves on"):
        release_model(broken, base, [server.url], options=UNLOAD_FIRST)

    assert available_versions(server.url) == [1]


class _HoldsOn(WatchingServer):
    """Never lets go of a version, as with a request in it that is never answered."""

    def _unload_all_but(self, keep: int | None) -> None:
        pass


def test_a_release_that_waits_for_a_version_to_be_unloaded_stops_when_it_is_told_to(tmp_path: Path, base: Path) -> None:
    cancelled = threading.Event()

    def cancel_when_unloading() -> None:
        while not cancelled.wait(0.01):
            if (base / "1.unloaded-for-2").exists():
                cancelled.set()

    options = UNLOAD_FIRST.model_copy(update={"restore_timeout_s": 8.0})
    with _HoldsOn(base) as server:
        release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=options)
        (state_directory(base) / "memory.json").write_text(json.dumps({"bytes_in_memory_per_byte_on_disk": 1e12}))
        threading.Thread(target=cancel_when_unloading, daemon=True).start()
        try:
            with pytest.raises(StoppedError):
                release_model(
                    make_candidate(tmp_path / "b", by=20), base, [server.url], options=options, cancelled=cancelled
                )
        finally:
            cancelled.set()

    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["1"]


@pytest.mark.usefixtures("huge")
def test_a_link_that_leads_nowhere_gets_its_number_back_like_every_version(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    (base / "0").symlink_to(tmp_path / "nowhere")

    release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=UNLOAD_FIRST)

    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["0", "1", "2"]


@pytest.mark.usefixtures("huge")
def test_a_release_killed_while_nothing_was_loaded_is_put_in_order_by_the_next(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tendies_ops.spec import ReleaseSpec; "
        "import tendies_ops.release.forward.find_candidate as c; from tendies_ops.release import release_model\n"
        "c.make_visible = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        "release_model(Path(sys.argv[1]), Path(sys.argv[2]), [sys.argv[3]], options=ReleaseSpec(memory='unload_first'))"
    )
    candidate = make_candidate(tmp_path / "b", by=20)
    killed = subprocess.run([sys.executable, "-c", script, str(candidate), str(base), server.url], check=False)
    assert killed.returncode == -9
    assert available_versions(server.url) == []

    report = release_model(make_candidate(tmp_path / "c", by=30), base, [server.url], options=UNLOAD_FIRST)

    assert available_versions(server.url) == [report.version]
    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["1", str(report.version)]


def test_the_factor_is_learned_from_big_versions_only(base: Path) -> None:
    assert read_factor(base) == 2.0

    remember_factor(base, 1000, {"s": {"before": 100.0, "peak": 900.0}})
    assert read_factor(base) == 2.0

    remember_factor(base, 100_000_000, {"s": {"before": 100.0, "peak": 400.0}, "t": {}})
    assert read_factor(base) == 3.0


def test_replicas_of_one_machine_must_fit_into_what_is_free_together(tmp_path: Path, base: Path) -> None:
    with WatchingServer(base) as first, WatchingServer(base) as second:
        urls = [first.url, second.url]
        release_model(make_candidate(tmp_path / "a", by=10), base, urls, options=QUICK)
        candidate = make_candidate(tmp_path / "b", by=20)
        one_fits = 0.6 * free_bytes(os.getpid()) / tree_size_bytes(candidate)
        (state_directory(base) / "memory.json").write_text(json.dumps({"bytes_in_memory_per_byte_on_disk": one_fits}))

        with pytest.raises(ReleaseError, match=rf"{first.url}, {second.url} need \d+ MB more together and have \d+ MB"):
            release_model(candidate, base, urls, options=QUICK)
        report = release_model(candidate, base, urls[:1], options=QUICK)

    assert report.version == 2


@pytest.mark.skipif(not Path("/proc/self/cgroup").exists(), reason="looks at Linux's control groups")
def test_files_that_the_kernel_remembers_do_not_count_as_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2].lstrip("/")
    directory = tmp_path / "cgroup" / group
    directory.mkdir(parents=True)
    (directory / "memory.max").write_text("1000\n")
    (directory / "memory.current").write_text("900\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path / "cgroup")
    assert free_bytes(os.getpid()) == 100

    (directory / "memory.stat").write_text("anon 300\ninactive_file 550\nactive_file 50\n")
    assert free_bytes(os.getpid()) == 650


def test_what_is_free_is_never_more_than_the_machine_has() -> None:
    assert 0 < free_bytes(os.getpid()) <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
