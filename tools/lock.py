"""
Make ``requirements*.txt`` again from ``pyproject.toml``.

A pin remains unchanged unless pyproject.toml no longer allows it; ``make lock LOCK_OPTIONS=--upgrade`` takes the newest
of everything. Each pin has the hashes of its files, so that installers refuse any other file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.set_up import settings_for_uv

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.10"


@dataclass(frozen=True)
class PinnedSet:
    """A requirements file, which adds pins to the one before it."""

    name: str
    extras: tuple[str, ...]  #: optional dependencies of pyproject.toml in it
    header: str


SETS = (
    PinnedSet(
        "requirements.txt",
        ("tensorflow", "examples"),
        "# The full set that tendies is tested with: Apache Airflow 3.3 and TensorFlow 2.21 side by side, "
        "Python 3.10 to 3.13.\n# Made by `make lock` from pyproject.toml; edit that and make it again.\n",
    ),
    PinnedSet(
        "requirements-cluster.txt",
        ("tensorflow", "examples", "cluster", "s3"),
        "# What several machines need on top of requirements.txt: the image in docker/ has it. Made by `make lock`.\n",
    ),
    PinnedSet(
        "requirements-dev.txt",
        ("tensorflow", "keras2", "examples", "cluster", "s3", "dev"),
        "# What checking and testing need on top of requirements-cluster.txt. Made by `make lock`.\n",
    ),
)


def main() -> int:
    """Resolve every set and write the pins that each adds to the one before it."""
    resolved = _resolve_all()
    smaller: set[str] = set()
    reference = ""
    for one in SETS:
        added = [pin for pin in resolved[one.name] if pin not in smaller]
        (ROOT / one.name).write_text(one.header + reference + "".join(added), encoding="utf-8")
        sys.stderr.write(f"{one.name}: {len(added)} packages.\n")
        smaller, reference = set(resolved[one.name]), f"-r {one.name}\n"
    return 0


def _resolve_all() -> dict[str, list[str]]:
    """Resolve the largest set first, with ``LOCK_OPTIONS``; the others keep its choices, so that all fit together."""
    known = "".join(pin for one in SETS for pin in pins_of((ROOT / one.name).read_text(encoding="utf-8")))
    options = os.environ.get("LOCK_OPTIONS", "").split()
    resolved: dict[str, list[str]] = {}
    for one in reversed(SETS):
        resolved[one.name] = _resolve(one.extras, known, options)
        known, options = "".join(resolved[one.name]), []
    return resolved


def pins_of(text: str) -> list[str]:
    """Return each pin of a requirements file: ``name==version ; marker`` and the lines of its hashes."""
    lines = [line for line in text.splitlines(keepends=True) if line[:1] not in ("#", "-")]
    return re.findall(r"^\S.*\n(?:[ \t].*\n)*", "".join(lines), re.MULTILINE)


def _resolve(extras: Sequence[str], known: str, options: Sequence[str]) -> list[str]:
    """
    Let uv resolve ``pyproject.toml`` for every Python and platform at once.

    :param extras: optional dependencies to include.
    :param known: pins to keep if they still fit.
    :param options: more options of ``uv pip compile``.
    :return: the pins with their hashes, sorted by name.
    """
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "requirements.txt"
        output.write_text(known, encoding="utf-8")
        command = [
            *(str(ROOT / ".venv" / "bin" / "uv"), "pip", "compile", "pyproject.toml"),
            *("--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"),
            *("--no-annotate", "--no-header", "--quiet"),
            *("--output-file", str(output)),
            *(word for extra in extras for word in ("--extra", extra)),
            *options,
        ]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **settings_for_uv()}, check=True)
        return sorted(pins_of(output.read_text(encoding="utf-8")), key=lambda pin: pin.partition("==")[0])


if __name__ == "__main__":
    sys.exit(main())
