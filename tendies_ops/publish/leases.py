"""
Leases: a batch run declares that it uses a version, so that the version is not removed or unloaded in the meantime.

A lease is a file ``.tendies/leases/<version>-<id>.json`` that its holder touches every few seconds. It ends with the
run, with the run's process, or, on another host, two minutes after the last touch. A holder that was only paused makes
it again.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import BasePathError, VersionRemovedError
from tendies_ops.files import write_text_atomically
from tendies_ops.publish.changed import describe_change
from tendies_ops.publish.history import read_history
from tendies_ops.publish.layout import STATE_DIRECTORY, state_directory
from tendies_ops.publish.owner import Heartbeat, Owner
from tendies_ops.publish.version_dirs import list_version_dirs, manifest_or_none

_HEARTBEAT_S = 10.0
#: A minute of silence, and one more because the hosts' clocks may differ: a lease is compared with this host's clock.
EXPIRES_AFTER_S = 120.0


@dataclass(frozen=True)
class Lease:
    """The use of a version by a run."""

    version: int
    holder: str  #: such as ``run 2026-11-22T03:00``
    owner: Owner | None  #: None: it is another user's and not readable
    path: Path

    def __str__(self) -> str:
        return f"{self.holder} ({self.owner or self.path}) is using version {self.version}"


@contextmanager
def hold_lease(
    model_base_path: Path, version: int, *, holder: str, heartbeat_s: float = _HEARTBEAT_S
) -> Iterator[Lease]:
    """
    Keep ``version`` in service for the length of a ``with`` block.

    :param holder: shown to releases that have to wait.
    :raises VersionRemovedError: there is no such version.
    :raises BasePathError: the lease cannot be written.
    """
    path = model_base_path / STATE_DIRECTORY / "leases" / f"{version}-{uuid.uuid4().hex}.json"
    owner = Owner.me()
    lease = Lease(version, holder, owner, path)

    def write() -> None:
        write_text_atomically(path, json.dumps({"holder": holder, "owner": owner.to_json()}))

    try:
        (state_directory(model_base_path) / "leases").mkdir(exist_ok=True)
        write()
    except OSError as error:
        raise BasePathError(f"The lease {path} cannot be written: {error.strerror}.") from error
    heartbeat = Heartbeat(path, interval_s=heartbeat_s, restore=write)
    try:
        # Checked after the lease exists: retention checks leases again after it has renamed a version.
        if not any(child.version == version for child in list_version_dirs(model_base_path)):
            raise VersionRemovedError(
                f"There is no version {version} in {model_base_path} to use; it may have been removed just now."
            )
        yield lease
    finally:
        heartbeat.stop()
        path.unlink(missing_ok=True)


def live_leases(model_base_path: Path, *, now_unix_s: float | None = None) -> list[Lease]:
    """
    Return the leases that are held now.

    :param now_unix_s: absent: this host's clock.
    :raises OSError: they cannot be listed. That never counts as "none".
    """
    now_s = time.time() if now_unix_s is None else now_unix_s
    directory = model_base_path / STATE_DIRECTORY / "leases"
    names = sorted(os.listdir(directory)) if directory.is_dir() else []
    leases = (_read(directory / name, now_s) for name in names if name.endswith(".json") and name[0] != ".")
    return [lease for lease in leases if lease is not None]


def leases_in_the_way(model_base_path: Path, new_digest: str) -> list[Lease]:
    """
    Return the leases of the highest version, which a release would replace.

    :param new_digest: of the content to be released: if the highest version has it already, the list is empty.
    """
    highest = max(list_version_dirs(model_base_path), key=lambda child: child.version, default=None)
    if highest is None:
        return []
    changed = describe_change(highest.path, highest.version, read_history(model_base_path))
    manifest = manifest_or_none(highest.path)
    if manifest is not None and manifest.model_digest == new_digest and not changed:
        return []
    return [lease for lease in live_leases(model_base_path) if lease.version == highest.version]


def remove_dead_leases(model_base_path: Path) -> None:
    """Remove the leases of killed runs. The caller holds the lock."""
    alive = {lease.path for lease in live_leases(model_base_path)}
    directory = model_base_path / STATE_DIRECTORY / "leases"
    for path in directory.iterdir() if directory.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # created or removed just now
            if path not in alive and time.time() - path.lstat().st_mtime > EXPIRES_AFTER_S:
                path.unlink()


def _read(path: Path, now_s: float) -> Lease | None:
    try:
        version, touched_s = int(path.name.split("-")[0]), path.stat().st_mtime
        data = json.loads(path.read_text(encoding="utf-8"))
        lease = Lease(version, str(data["holder"]), Owner.from_json(data["owner"]), path)
    except PermissionError:
        lease = Lease(version, "another user's run", None, path)
    except (OSError, KeyError, TypeError, ValueError):
        return None  # removed just now, or incomplete
    alive = lease.owner.is_known_alive() if lease.owner else None
    if alive is None:  # then only its touch shows it
        alive = now_s - touched_s <= EXPIRES_AFTER_S
    return lease if alive else None
