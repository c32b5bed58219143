"""Checkpoints behind URLs: fetched once, whole or not at all, within a limit."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import pytest

from tendies_ops.errors import CheckpointError, CheckpointMissingError, ExportError, StoppedError, UsageError
from tendies_ops.export.checkpoint_cache import FOLDER_VARIABLE, LIMIT_VARIABLE, fetched_checkpoint


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    for name in ("model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001", "saved/saved_model.pb", "saved/variables/v"):
        files.pipe_file(f"/training/{name}", name.encode() * 100)
    yield "memory://training"
    files.rm("/training", recursive=True)


def fetch(url: str, said: list[str] | None = None) -> dict[str, bytes]:
    lines: list[str] = [] if said is None else said
    with fetched_checkpoint(url, say=lines.append) as path:
        root = path.parent
        return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("model.ckpt-7", {"model.ckpt-7.index", "model.ckpt-7.data-00000-of-00001"}),
        ("model.ckpt-7.index", {"model.ckpt-7.index"}),
        ("saved", {"saved/saved_model.pb", "saved/variables/v"}),
        ("saved/", {"saved/saved_model.pb", "saved/variables/v"}),
    ],
)
def test_a_prefix_a_file_and_a_folder_are_fetched_as_they_are(store: str, name: str, files: set[str]) -> None:
    found = fetch(f"{store}/{name}")

    assert found.keys() == files
    assert all(data == path.encode() * 100 for path, data in found.items())


def test_the_same_content_is_fetched_once_and_a_new_one_again(store: str) -> None:
    said: list[str] = []
    fetch(f"{store}/model.ckpt-7", said)
    fetch(f"{store}/model.ckpt-7", said)
    assert len(said) == 1

    fsspec.filesystem("memory").pipe_file("/training/model.ckpt-7.index", b"trained on")
    assert fetch(f"{store}/model.ckpt-7", said)["model.ckpt-7.index"] == b"trained on"
    assert len(said) == 2


def test_what_is_not_there_is_reported_with_its_place(store: str) -> None:
    with pytest.raises(CheckpointMissingError, match=r"no checkpoint at memory://training/model\.ckpt-8"):
        fetch(f"{store}/model.ckpt-8")


def test_a_checkpoint_that_is_used_remains_and_the_oldest_other_makes_room(
    store: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = fsspec.filesystem("memory")
    for name in "abc":
        files.pipe_file(f"/training/{name}.keras", name.encode() * 400_000)
    monkeypatch.setenv(LIMIT_VARIABLE, str(1_000_000 / (1 << 30)))

    fetch(f"{store}/a.keras")
    with fetched_checkpoint(f"{store}/b.keras", say=lambda _: None) as used:
        os.utime(used.parent, (1, 1))  # the oldest, and in use
        fetch(f"{store}/c.keras")
        assert used.read_bytes() == b"b" * 400_000
    assert sorted(path.name for path in cache.rglob("*.keras")) == ["b.keras", "c.keras"]


def test_the_cache_stays_below_its_limit_while_all_of_it_is_in_use(
    store: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        fsspec.filesystem("memory").pipe_file(f"/training/{name}.keras", name.encode() * 600_000)
    monkeypatch.setenv(LIMIT_VARIABLE, str(1_000_000 / (1 << 30)))
    with fetched_checkpoint(f"{store}/a.keras", say=lambda _: None):
        with pytest.raises(ExportError, match=r"of which other exports use 0\.6 MiB"):
            fetch(f"{store}/b.keras")
        assert [path.name for path in cache.rglob("*.keras")] == ["a.keras"]
    fetch(f"{store}/b.keras")
    assert [path.name for path in cache.rglob("*.keras")] == ["b.keras"]


def test_what_is_larger_than_the_limit_is_not_fetched(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "0.000001")
    with pytest.raises(ExportError, match=LIMIT_VARIABLE):
        fetch(f"{store}/model.ckpt-7")


def test_a_stop_ends_a_fetch_and_leaves_no_checkpoint(store: str, cache: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(StoppedError), fetched_checkpoint(f"{store}/saved", say=lambda _: None, cancelled=cancelled):
        pass
    assert not [path for path in cache.iterdir() if path.is_dir() and path.suffix != ".part"]


@pytest.fixture
def website(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("aiohttp", reason="fsspec reads http with aiohttp")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "model.keras").write_bytes(b"weights")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/model.keras"
        server.shutdown()


def test_a_file_of_the_open_web_needs_the_digest_of_its_content(website: str) -> None:
    digest = hashlib.sha256(b"weights").hexdigest()

    with pytest.raises(UsageError, match="open web"):
        fetch(website)
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        fetch(f"{website}#sha256=12")
    with pytest.raises(CheckpointError, match=f"has the digest {digest}, not {'0' * 64}"):
        fetch(f"{website}#sha256={'0' * 64}")
    assert fetch(f"{website}#sha256={digest}") == {"model.keras": b"weights"}


def test_a_login_in_the_url_is_refused() -> None:
    with pytest.raises(UsageError):
        fetch("s3://key:secret@bucket/model.keras")


_FETCH = """
import sys, time
import fsspec
from fsspec.implementations.local import LocalFileSystem

class Slow(LocalFileSystem):
    protocol = "slow"
    def open(self, path, mode="rb", **options):
        time.sleep(0.3)
        return super().open(path, mode, **options)

fsspec.register_implementation("slow", Slow)
from tendies_ops.export.checkpoint_cache import fetched_checkpoint
with fetched_checkpoint("slow://" + sys.argv[1], say=print) as path:
    print(sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()))
"""


def test_a_killed_fetch_leaves_no_checkpoint_and_the_next_one_goes_on(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "far").mkdir()
    for number in range(8):
        (tmp_path / "far" / f"{number}.bin").write_bytes(bytes([number]) * 1000)
    command = [sys.executable, "-c", _FETCH, str(tmp_path / "far")]

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 30
    while len(list(cache.rglob("*.bin"))) < 3 and time.monotonic() < deadline_s:
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.bin")}
    assert 3 <= len(before) < 8

    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert str([f"{number}.bin" for number in range(8)]) in done.stdout
    after = {path.name: path.stat().st_mtime_ns for path in cache.rglob("*.bin")}
    assert {name: after[name] for name in before} == before
    assert all((path.read_bytes() == bytes([int(path.stem)]) * 1000) for path in cache.rglob("*.bin"))


def test_two_exports_read_the_same_checkpoint_at_once(store: str) -> None:
    with (
        fetched_checkpoint(f"{store}/saved", say=lambda _: None),
        fetched_checkpoint(f"{store}/saved", say=lambda _: None) as path,
    ):
        assert (path / "saved_model.pb").is_file()


@pytest.mark.parametrize("limit", ["much", "inf", "nan"])
def test_a_limit_that_is_no_number_is_refused(store: str, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, limit)
    with pytest.raises(UsageError, match="number of GiB"):
        fetch(f"{store}/saved")
