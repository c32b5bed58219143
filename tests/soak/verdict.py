"""The table at the end."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from tests.faults import checker
from tests.soak.batches import state_bytes
from tests.soak.day import Day
from tests.support.candidates import picture, shift

_ROOT = Path(__file__).parents[2]
_INVARIANTS = {
    1: "a version directory is whole or absent",
    2: "pictures in = done + skipped + failed",
    3: "no request fails because of a swap",
    4: "a green task is true, a red one says why",
    5: "nothing done is predicted twice",
    6: "pixels are those of the model",
}
#: What no day of releases and batches can show has tests of its own; they are run at the end.
_ASKED = {
    7: ("a page answers nobody who is not logged in", "tests/with_airflow/web/test_who_may_what.py"),
    8: ("a DAG file touches no disk, no network, no TensorFlow", "tests/with_airflow/test_dag_files.py"),
}
_FLAT = {
    "memory_mb": ("server's own memory, MB", 0.10, 25.0),
    "handles": ("server's open handles", 0.0, 10.0),
    "threads": ("server's threads", 0.0, 6.0),
    "base_mb": ("base path, MB", 0.25, 1.0),
    "temporary": ("what lies in the temporary folder", 0.0, 2.0),
}


def print_verdict(day: Day) -> int:
    """:return: the exit status."""
    _check_requests(day)
    _print_counts(day)
    flat = _print_flat(day)
    held = _print_invariants(day)
    print("\nThe day was as it should be." if flat and held else "\nThe day was NOT as it should be.")
    return 0 if flat and held else 1


def _check_requests(day: Day) -> None:
    known = zip(day.clients.failed_at_s, day.clients.failures, strict=True)
    day.notes.broke(3, [f"a request failed: {words}" for at_s, words in known if not day.notes.outage_at(at_s)][:9])
    right = {checker.pixels(shift(picture(7), by)).tobytes() for by in day.models.good}
    got = {checker.pixels(answer).tobytes() for answer in day.clients.pictures}
    day.notes.broke(6, ["a client got a picture of no good model"] if got - right else [])


def _print_counts(day: Day) -> None:
    print("\nWhat happened")
    hours = day.releases.simulated_minutes / 60
    _row("simulated", f"{hours:.1f} h, {day.releases.simulated_minutes} minutes")
    for what, count in sorted(day.notes.counts.items()):
        _row(what, count)
    _row("requests of clients, answered", day.clients.answered)
    _row("requests of clients, while the server was down", len(day.clients.failures))
    _row("pictures predicted", day.batches.predicted)
    _row("a release took (median)", f"{statistics.median(day.releases.seconds or [0.0]):.2f} s")


def _print_flat(day: Day) -> bool:
    print("\nWhat must be flat                     second quarter   last quarter")
    all_flat = True
    for name, (title, share, more) in _FLAT.items():
        early, late, flat = day.watcher.flat(name, share=share, more=more)
        all_flat &= flat
        print(f"  {title:<35} {early:>14.1f} {late:>14.1f}  {'flat' if flat else 'GROWS'}")
    releases = max(1, day.releases.simulated_minutes)
    kept = sum(path.stat().st_size for path in (day.base / ".tendies").rglob("*") if path.is_file())
    batches = sum(count for what, count in day.notes.counts.items() if what.startswith("batch:"))
    _row("kept on purpose, a release", f"{kept / releases / 1e3:.1f} kB of history and reports")
    state = state_bytes(day.batches.results) / max(1, batches)
    _row("kept on purpose, a batch", f"{state / 1e3:.1f} kB of ledger and report")
    return all_flat


def _print_invariants(day: Day) -> bool:
    print("\nInvariants", flush=True)
    held = True
    for number, title in _INVARIANTS.items():
        problems = day.notes.wrong.get(number, [])
        held &= not problems
        _row(f"{number}. {title}", f"BROKEN {len(problems)} times" if problems else "held")
    for number, (title, tests) in _ASKED.items():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", tests]
        done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=600)
        held &= done.returncode == 0
        _row(f"{number}. {title}", (done.stdout.strip().splitlines() or ["no answer"])[-1].strip("= "))
    return held


def _row(title: str, value: object) -> None:
    print(f"  {title:<54} {value}", flush=True)
