"""Child processes for work that must not share the API server's interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def start_child(module: str, *arguments: str, answers: bool = False) -> subprocess.Popen[bytes]:
    """
    Start ``python -m module`` without the environment of this process, which holds secrets.

    :param module: of this package; it lowers its own priority and sets its own limits.
    :param answers: connect its standard input and output to pipes.
    :raises OSError: it cannot be started.
    """
    pipe = subprocess.PIPE if answers else subprocess.DEVNULL
    environment = {"PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path), "LANG": "C.UTF-8"}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        env=environment,
        cwd="/",
        start_new_session=True,  # a signal to the API server's group does not reach it; the end of its input does
    )
