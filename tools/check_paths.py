"""Refuse paths of one person's machine in files that everybody gets."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: A home directory or a workplace. `/home/airflow` and `/root` alone are places inside container images.
_MACHINE_PATH = re.compile(rb"(?<![\w.$}])/(?:home/(?!airflow\b)[a-z][\w-]*/|Users/[A-Za-z][\w-]*/|work/|root/\.)")


def find_machine_paths(paths: list[Path]) -> list[str]:
    """
    Look through text files.

    :param paths: files; what holds a zero byte is not a text and is passed over.
    :return: ``path:line: the line`` for each line that names a machine's path.
    """
    found = []
    for path in paths:
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" in content:
            continue
        for number, line in enumerate(content.splitlines(), start=1):
            if _MACHINE_PATH.search(line):
                found.append(f"{path}:{number}: {line.decode(errors='replace').strip()[:120]}")
    return found


def main() -> int:
    """Check every file that git tracks."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    found = find_machine_paths([ROOT / name for name in listing.decode().split("\0") if name])
    for line in found:
        sys.stderr.write(f"{line}\n")
    if found:
        sys.stderr.write("These lines name a path of one machine; use a path relative to the checkout.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
