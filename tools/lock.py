"""
Make ``requirements.txt`` and ``requirements-dev.txt`` again from ``pyproject.toml``.

What is pinned already stays, unless pyproject.toml no longer allows it. ``make lock LOCK_OPTIONS=--upgrade`` takes the
newest of everything.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from set_up import settings_for_uv

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.10"
_RUN_HEADER = (
    "# The full set that tendies is tested with: Apache Airflow 3.3 and TensorFlow 2.21 side by side, "
    "Python 3.10 to 3.13.\n# Made by `make lock` from pyproject.toml; edit that and make it again.\n"
)
_DEV_HEADER = "# What checking and testing need on top of requirements.txt. Made by `make lock`.\n-r requirements.txt\n"


def main() -> int:
    """Resolve both sets and write what differs."""
    run_path, dev_path = ROOT / "requirements.txt", ROOT / "requirements-dev.txt"
    run_pins = _resolve(["tensorflow"], run_path.read_text(encoding="utf-8"))
    run_path.write_text(_RUN_HEADER + "".join(run_pins), encoding="utf-8")
    known = "".join(run_pins) + dev_path.read_text(encoding="utf-8").replace("-r requirements.txt\n", "")
    dev_pins = [pin for pin in _resolve(["tensorflow", "dev"], known) if pin not in set(run_pins)]
    dev_path.write_text(_DEV_HEADER + "".join(dev_pins), encoding="utf-8")
    sys.stderr.write(f"Pinned {len(run_pins)} packages, and {len(dev_pins)} more for development.\n")
    return 0


def _resolve(extras: list[str], known: str) -> list[str]:
    """
    Let uv resolve ``pyproject.toml`` for every Python and platform at once.

    :param extras: optional dependencies to take in.
    :param known: pins to keep where they still fit.
    :return: one ``name==version ; marker`` a line, sorted.
    """
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "requirements.txt"
        output.write_text(known, encoding="utf-8")
        command = [
            *(str(ROOT / ".venv" / "bin" / "uv"), "pip", "compile", "pyproject.toml"),
            *("--universal", "--python-version", OLDEST_PYTHON, "--no-annotate", "--no-header", "--quiet"),
            *("--output-file", str(output)),
            *(word for extra in extras for word in ("--extra", extra)),
            *os.environ.get("LOCK_OPTIONS", "").split(),
        ]
        subprocess.run(command, cwd=ROOT, env={**os.environ, **settings_for_uv()}, check=True)
        lines = output.read_text(encoding="utf-8").splitlines(keepends=True)
    pins = [line for line in lines if not line.startswith(("#", "--", "-r"))]
    return sorted(pins, key=lambda line: line.partition("==")[0])


if __name__ == "__main__":
    sys.exit(main())
