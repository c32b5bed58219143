"""Publishes a new version and keeps three; for ``test_kill_publish.py``."""

from __future__ import annotations

import shutil
from pathlib import Path

from tendies_ops.publish import publish_version
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.publish.retention import apply_retention
from tests.support.candidates import make_candidate
from tests.support.killing import main


def work(number: int, arguments: list[str]) -> None:
    base, scratch = Path(arguments[0]), Path(arguments[1])
    source = scratch / "candidate"
    shutil.rmtree(source, ignore_errors=True)
    make_candidate(source, by=number % 200, step=number, size_bytes=200_000 + number)
    publish_version(source, base)
    with lock_base_path(base, purpose="retention"):
        apply_retention(base, keep=3, serving=[])


if __name__ == "__main__":
    main(work)
