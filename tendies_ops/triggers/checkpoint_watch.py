"""Find complete checkpoints in a directory, and decide which to announce. No Airflow, no clock, no sleep."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tendies_ops.files.object_store import ObjectStore, changed_ns
from tendies_ops.spec.source import is_url

#: Key of the watermark in the asset's state store, so that a restarted triggerer continues from there.
WATERMARK_KEY = "tendies_watermark"

# `model.ckpt-1200.index` or `ckpt-7.index`: what tf.train.Saver and tf.train.CheckpointManager write last.
_INDEX = re.compile(r"(?P<prefix>.*?(?P<step>\d+))\.index")
# `style-1200.keras`, `style_1200.weights.h5`: the names that keras.callbacks.ModelCheckpoint is given with {epoch}.
_WHOLE_FILE = re.compile(r".*?(?P<step>\d+)(?:\.weights)?\.(?P<kind>keras|h5)")
_SHARD = re.compile(r"(?P<prefix>.*)\.data-(?P<index>\d{5})-of-(?P<count>\d{5})")


@dataclass(frozen=True)
class FoundCheckpoint:
    """A complete checkpoint."""

    path: str  #: as the exporter takes it: the prefix, or the one file
    step: int
    size_bytes: int
    mtime_ns: int  #: of its youngest file


@dataclass(frozen=True)
class Watermark:
    """The newest checkpoint that was announced, stored as JSON."""

    step: int
    mtime_ns: int
    path: str

    @classmethod
    def from_json(cls, value: Any) -> Watermark | None:
        """Build a Watermark from the output of :meth:`to_json`; None for anything else."""
        try:
            return cls(int(value["step"]), int(value["mtime_ns"]), str(value["path"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Return a small JSON object."""
        return {"step": self.step, "mtime_ns": self.mtime_ns, "path": self.path}


@dataclass(frozen=True)
class _File:
    size_bytes: int
    mtime_ns: int
    is_zip: bool | None = None  #: None: not known yet


def find_checkpoints(directory: Path | str) -> list[FoundCheckpoint]:
    """
    Return the complete checkpoints in a folder, lowest step first. Steps are numbers: 9 comes before 10.

    :param directory: path or fsspec URL.
    :raises OSError: it cannot be listed.
    """
    files = _files_in_store(directory) if is_url(directory) else _files_in(Path(directory))
    root = str(directory).rstrip("/")
    found = [_sharded(root, name, files) or _whole_file(root, name, files) for name in files]
    return sorted((checkpoint for checkpoint in found if checkpoint), key=lambda one: (one.step, one.mtime_ns))


def _files_in(directory: Path) -> dict[str, _File]:
    with os.scandir(directory) as entries:
        stats = {entry.name: _stat(entry) for entry in entries}
    return {name: _File(stat.st_size, stat.st_mtime_ns) for name, stat in stats.items() if stat is not None}


def _files_in_store(url: str) -> dict[str, _File]:
    """Return the objects in a folder of a store, which shows each of them whole or not at all."""
    store = ObjectStore(url)
    try:
        entries = store.entries_in("")
    finally:
        store.close()
    return {
        name: _File(int(entry.get("size") or 0), changed_ns(entry), is_zip=True)
        for name, entry in entries.items()
        if entry["type"] == "file"
    }


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat() if entry.is_file() else None
    except FileNotFoundError:
        return None  # the trainer deleted it, as it does with all but its newest


def _sharded(root: str, name: str, files: Mapping[str, _File]) -> FoundCheckpoint | None:
    match = _INDEX.fullmatch(name)
    if match is None or files[name].size_bytes == 0:
        return None
    prefix = match["prefix"]
    shards = [shard for other in files if (shard := _SHARD.fullmatch(other)) and shard["prefix"] == prefix]
    count = int(shards[0]["count"]) if shards else 0
    if not count or {int(shard["index"]) for shard in shards} != set(range(count)):
        return None
    return _found(f"{root}/{prefix}", match["step"], [files[name], *(files[shard.string] for shard in shards)])


def _whole_file(root: str, name: str, files: Mapping[str, _File]) -> FoundCheckpoint | None:
    match = _WHOLE_FILE.fullmatch(name)
    if match is None or files[name].size_bytes == 0:
        return None
    # The table of contents of a local .keras file is written last.
    if match["kind"] == "keras" and not (files[name].is_zip or zipfile.is_zipfile(f"{root}/{name}")):
        return None
    return _found(f"{root}/{name}", match["step"], [files[name]])


def _found(path: str, step: str, files: Sequence[_File]) -> FoundCheckpoint:
    size_bytes, mtime_ns = sum(file.size_bytes for file in files), max(file.mtime_ns for file in files)
    return FoundCheckpoint(path, int(step), size_bytes, mtime_ns)


class CheckpointWatch:
    """
    Decide, listing by listing, what to announce.

    A checkpoint is announced if its step is above the watermark's and it has not changed since the last listing: one
    that is still being copied is left alone. Of several only the newest is announced, because a release of the others
    would be replaced at once. A restarted training, with lower steps in younger files, is announced as well.

    :param watermark: the last one announced; None on the very first start.
    :param replay_backlog: on the very first start announce the newest existing checkpoint as well.
    """

    def __init__(self, watermark: Watermark | None, *, replay_backlog: bool = False) -> None:
        self.watermark = watermark
        self._first = watermark is None and not replay_backlog
        self._before: set[FoundCheckpoint] = set()

    def on_listing(self, found: Iterable[FoundCheckpoint]) -> FoundCheckpoint | None:
        """
        Take in a listing.

        :return: the checkpoint to announce now; the caller then calls :meth:`announced`.
        """
        found = list(found)
        settled = [checkpoint for checkpoint in found if checkpoint in self._before]
        self._before = set(found)
        if self._first:
            self._first = False
            self.announced(_newest(found) or FoundCheckpoint("", -1, 0, 0))
            return None
        newest = _newest(settled)
        return newest if newest and self._is_news(newest) else None

    def announced(self, checkpoint: FoundCheckpoint) -> None:
        """Note that a checkpoint was announced, or counts as known."""
        self.watermark = Watermark(checkpoint.step, checkpoint.mtime_ns, checkpoint.path)

    def _is_news(self, newest: FoundCheckpoint) -> bool:
        if self.watermark is None or newest.step > self.watermark.step:
            return True
        return newest.mtime_ns > self.watermark.mtime_ns  # written again, or the training was restarted


def _newest(found: Iterable[FoundCheckpoint]) -> FoundCheckpoint | None:
    return max(found, key=lambda checkpoint: (checkpoint.step, checkpoint.mtime_ns), default=None)
