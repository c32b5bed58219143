"""Publishers killed at any moment, while a reader lists the base path and loads what it sees."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tendies_ops.errors import PublishError
from tendies_ops.publish import list_version_dirs, publish_version
from tendies_ops.spec.manifest import read_manifest, verify_files
from tests.support.candidates import make_candidate
from tests.support.killing import kill_at_random, leftovers

SCRIPT = Path(__file__).with_name("killed_publish.py")


class Reader:
    """Lists and loads all along, as a server does."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.looks = 0
        self.loaded: dict[int, str] = {}  #: version -> model digest
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stop.is_set():
            self.looks += 1
            for child in reversed(list_version_dirs(self.base)):
                self._load(child.version, child.path)

    def _load(self, version: int, path: Path) -> None:
        inode = _inode(path)
        try:
            manifest = read_manifest(path)
            verify_files(path, manifest)
        except (PublishError, OSError) as error:
            if inode is not None and _inode(path) == inode:  # else retention took it away, whole, while we were reading
                self.wrong.append(f"version {version}: {error}")
            return
        if self.loaded.setdefault(version, manifest.model_digest) != manifest.model_digest:
            self.wrong.append(f"version {version} changed its content")


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


@pytest.mark.parametrize(
    "rounds",
    [pytest.param(60, id="60"), pytest.param(1000, id="1000", marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_no_reader_ever_meets_half_a_version_and_no_leftovers_stay(
    tmp_path: Path, base: Path, scratch: Path, rounds: int
) -> None:
    with Reader(base) as reader:
        count = kill_at_random(SCRIPT, str(base), str(scratch), rounds=rounds, seed=rounds, timeout_s=1100)
        last = publish_version(make_candidate(tmp_path / "last", by=201), base)

    assert reader.wrong == []
    assert count.failed == 0, count.words
    assert count.killed > rounds / 2, "the kills came too late to mean anything"
    assert last.created
    assert last.version == max(reader.loaded | {last.version: ""}), "a number below one that was seen before"
    assert leftovers(base) == []
    assert len(reader.loaded) > rounds / 10, "the reader saw too few versions to mean anything"
