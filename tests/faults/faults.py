"""The named faults of the matrix."""

from __future__ import annotations

from tests.faults import disk_faults, lock_faults, process_faults, server_faults, wire
from tests.faults.injection import FaultKind

DAY_S = 86400.0

FAULTS: dict[str, FaultKind] = {
    "killed at a random moment": FaultKind(process_faults.killed_at_random, anywhere=True),
    "killed at a line": FaultKind(process_faults.killed_at_a_line, process_faults.count_lines),
    "killed at a change on disk": FaultKind(disk_faults.on_disk("kill"), disk_faults.count_changes),
    "disk full": FaultKind(disk_faults.on_disk("ENOSPC"), disk_faults.count_creations),
    "no inodes left": FaultKind(disk_faults.no_inodes, anywhere=True),
    "file may not grow": FaultKind(disk_faults.file_may_not_grow),
    "sync fails (EIO)": FaultKind(disk_faults.failing_sync, disk_faults.count_syncs),
    "unreadable file (EIO)": FaultKind(disk_faults.unreadable),
    "no right to write (EACCES)": FaultKind(disk_faults.no_right),
    "slow disk": FaultKind(disk_faults.on_disk("slow")),
    "clock jumps ahead": FaultKind(process_faults.clock(DAY_S), anywhere=True),
    "clock jumps back": FaultKind(process_faults.clock(-DAY_S), anywhere=True),
    "connection reset": FaultKind(server_faults.reset, anywhere=True),
    "slow-loris answers": FaultKind(server_faults.slow_loris),
    "answers 500": FaultKind(server_faults.answers(wire.status(500, "Internal: the GPU fell off the bus"))),
    "answers 503": FaultKind(server_faults.answers(wire.status(503, "The batch scheduling queue is full"))),
    "answers 504": FaultKind(server_faults.answers(wire.status(504, "Timed out waiting for notification"))),
    "status answers 503": FaultKind(server_faults.status_answers_503),
    "truncated JSON": FaultKind(server_faults.answers(wire.cut_json)),
    "garbage JSON": FaultKind(server_faults.answers(wire.garbage)),
    "fewer predictions": FaultKind(server_faults.answers(wire.changed_rows(lambda rows: rows[:-1]))),
    "swapped predictions": FaultKind(server_faults.answers(wire.changed_rows(lambda rows: rows[::-1]))),
    "wrong image size": FaultKind(server_faults.answers(wire.changed_rows(wire.cropped))),
    "wrong image size in tiles": FaultKind(server_faults.in_tiles),
    "server restarts": FaultKind(server_faults.server_restarts, anywhere=True),
    "version vanishes": FaultKind(server_faults.version_vanishes),
    "lock of a dead process": FaultKind(lock_faults.dead_process),
    "lock of a dead host": FaultKind(lock_faults.dead_host),
    "lease of a dead host": FaultKind(lock_faults.dead_lease),
    "lock of a live process": FaultKind(lock_faults.live_process),
    "out of memory": FaultKind(process_faults.out_of_memory, anywhere=True),
}
