"""What a DAG file does, seen in a fresh process, as the DAG processor's child is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_script(script: str, *arguments: str | Path, specs: Path, hash_seed: str = "random") -> list[str]:
    """
    Run Python text in a process of its own.

    :param specs: directory of the model specs, for our DAG files.
    :return: the lines that it printed.
    """
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "TENDIES_SPECS_DIR": str(specs), "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
