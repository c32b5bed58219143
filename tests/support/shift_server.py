"""Starts the embedded Model Server over versions of ``candidates.py``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.candidates import MODEL_NAME
from tests.support.model_server import RunningServer
from tests.support.ports import free_port

#: The child is started next to the shell, so that the shell hears SIGTERM at once and passes it on.
_SUPERVISE = 'trap "kill \\$child; exit" TERM; while true; do "$0" "$@" & child=$!; wait $child || sleep 0.3; done'
_ROOT = Path(__file__).parents[2]


def start_shift_server(
    base: Path | None, *flags: str, port: int | None = None, restarting: bool = False
) -> RunningServer:
    """
    Start it and return at once: with nothing to load, its port stays closed.

    :param base: None: the flags say what is served.
    :param restarting: start it again whenever it ends by itself, as a supervisor does.
    """
    port = free_port() if port is None else port
    model = () if base is None else (f"--model_name={MODEL_NAME}", f"--model_base_path={base}")
    program = [sys.executable, "-m", "tests.support.shift_servable"]
    if restarting:
        program = ["bash", "-c", _SUPERVISE, *program]
    log_path = Path(tempfile.mkdtemp(prefix="model-server-")) / "server.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*program, f"--rest_api_port={port}", "--file_system_poll_wait_seconds=0.1", *model, *flags],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=_ROOT,
            env=dict(os.environ),
        )
    return RunningServer(f"http://127.0.0.1:{port}", port, process, log_path)
