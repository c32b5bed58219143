"""Check that old and new version fit into memory together, as they must while they are swapped."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tendies_ops.errors import ReleaseError
from tendies_ops.files import write_text_atomically
from tendies_ops.publish.layout import STATE_DIRECTORY, state_directory
from tendies_ops.publish.stage import tree_size_bytes
from tendies_ops.release.checks.probe import server_pid
from tendies_ops.release.context import ReleaseContext

_NAME = "memory.json"
#: Weights are read into memory once, and once more while they are restored.
_FACTOR_BEFORE_ANY_MEASUREMENT = 2.0
#: Growth of a server over a smaller version is more about TensorFlow than about the version.
_MEASURED_FROM_BYTES = 32 << 20
_SPARE = 0.9  # of what is free
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryNeed:
    """Replicas on this machine that share the same memory."""

    servers: tuple[str, ...]
    need_bytes: float  #: of all of them
    free_bytes: float

    @property
    def fits(self) -> bool:
        """Return True if a tenth of the free memory is left."""
        return self.need_bytes <= _SPARE * self.free_bytes

    def __str__(self) -> str:
        need, free = f"{self.need_bytes / 1e6:.0f} MB more", f"{self.free_bytes / 1e6:.0f} MB free"
        if len(self.servers) == 1:
            return f"{self.servers[0]} needs {need} and has {free}"
        return f"{', '.join(self.servers)} need {need} together and have {free}"


def check_memory(ctx: ReleaseContext, saved_model_dir: Path) -> None:
    """
    Check that both versions fit, before anything is changed. Replicas on other machines are not checked.

    :raises ReleaseError: they do not fit, and ``memory`` of the spec is ``refuse``.
    """
    need_bytes = tree_size_bytes(saved_model_dir) * read_factor(ctx.base)
    short = [need for need in _needs(ctx.fleet.servers, need_bytes) if not need.fits]
    if not short:
        return
    words = "; ".join(map(str, short))
    if ctx.options.memory == "refuse":
        raise ReleaseError(
            f"Old and new version do not fit into memory together: {words}. Nothing was changed. Make room, or release "
            "with `memory: load_anyway`."
        )
    ctx.log.note(f"Memory is short: {words}; continuing because the spec has `memory: {ctx.options.memory}`.")


def free_bytes(pid: int) -> float:
    """Return the memory free for a process: on the machine, and in its control group if that has a limit."""
    return min(_free_by_room(pid).values())


def _needs(servers: Sequence[str], need_bytes: float) -> list[MemoryNeed]:
    """Return the need of each shared memory: all replicas load at the same time."""
    inside: dict[str, list[str]] = {}
    free: dict[str, float] = {}
    for server in servers:
        pid = server_pid(server)
        for room, room_bytes in ({} if pid is None else _free_by_room(pid)).items():
            inside.setdefault(room, []).append(server)
            free[room] = room_bytes
    needs = [MemoryNeed(tuple(found), need_bytes * len(found), free[room]) for room, found in inside.items()]
    tightest = {need.servers: need for need in sorted(needs, key=lambda need: -need.free_bytes)}
    return list(tightest.values())


def _free_by_room(pid: int) -> dict[str, float]:
    """Return the free bytes of the ``machine``, and of the process's control group (by path) if that has a limit."""
    free = {"machine": float(psutil.virtual_memory().available)}
    try:
        group = Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").strip().rpartition(":")[2].lstrip("/")
        limit = (_CGROUP / group / "memory.max").read_text(encoding="ascii").strip()
        if limit != "max":
            free[f"/{group}"] = float(int(limit) - _used_bytes(_CGROUP / group))
    except (OSError, ValueError):
        pass
    return free


def _used_bytes(group: Path) -> int:
    """Return the used bytes without cached files, which the kernel drops when memory is short."""
    used = int((group / "memory.current").read_text(encoding="ascii"))
    try:
        facts = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return used
    return used - int(facts.get("inactive_file", 0))


def read_factor(model_base_path: Path) -> float:
    """Return the bytes of memory for each byte of a version on disk, as the last release measured it."""
    try:
        path = model_base_path / STATE_DIRECTORY / _NAME
        return float(json.loads(path.read_text(encoding="utf-8"))["bytes_in_memory_per_byte_on_disk"])
    except (OSError, KeyError, TypeError, ValueError):
        return _FACTOR_BEFORE_ANY_MEASUREMENT


def remember_factor(model_base_path: Path, size_bytes: int, memory_mb: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep the memory that this swap took on the replica that grew most."""
    growths_mb = [found["peak"] - found["before"] for found in memory_mb.values() if "peak" in found]
    if not growths_mb or size_bytes < _MEASURED_FROM_BYTES:
        return
    factor = max(1.0, max(growths_mb) * 1e6 / size_bytes)
    text = json.dumps({"bytes_in_memory_per_byte_on_disk": round(factor, 2)})
    write_text_atomically(state_directory(model_base_path) / _NAME, text)
