"""Old and new version that do not fit into memory together, and what the spec wants then."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tendies_ops.errors import ReleaseError
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


@pytest.fixture
def huge(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    """Version 1 serves, and every byte on disk has been measured to take a terabyte in memory."""
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    (state_directory(base) / "memory.json").write_text(json.dumps({"bytes_in_memory_per_byte_on_disk": 1e12}))


@pytest.mark.usefixtures("huge")
def test_refusing_changes_nothing_and_says_how_much_is_missing(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    with pytest.raises(ReleaseError, match=r"needs \d+ MB more and has \d+ MB free.*load_anyway"):
        release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=QUICK)

    assert server.loads == [1]


@pytest.mark.usefixtures("huge")
def test_loading_anyway_goes_on_and_notes_what_is_short(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    options = QUICK.model_copy(update={"memory": "load_anyway"})

    report = release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=options)

    assert any("Memory is short: " in note for note in report.notes)
    assert available_versions(server.url) == [2]


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
