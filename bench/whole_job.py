"""
tendies as a job of its own: a Model Server is started, `tendies batch` runs, the server ends.

Arguments: the model's base path, how many pictures a request gets, the folder of pictures, the folder of results, and
the address of a server that is up already (empty: start one).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.contenders import FASTEST_FLAGS, free_port
from bench.workloads import MODEL_NAME

PATIENCE_S = 60.0
TENDIES = str(Path(sys.executable).with_name("tendies"))


@contextlib.contextmanager
def server_of(model_base_path: str) -> Iterator[str]:
    """Yield the address of a server, until the end of the block."""
    port = free_port()
    flags = [f"--rest_api_port={port}", f"--model_name={MODEL_NAME}", f"--model_base_path={model_base_path}"]
    process = subprocess.Popen([sys.executable, "-m", "tendies_ops.server.run_server", *flags, *FASTEST_FLAGS])
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


def wait_for(url: str) -> None:
    """Until it serves."""
    from tendies_ops.client import ModelServerClient
    from tendies_ops.errors import ModelServerError

    deadline_s = time.monotonic() + PATIENCE_S
    with ModelServerClient(url) as client:
        while time.monotonic() < deadline_s:
            with contextlib.suppress(ModelServerError):
                client.serving_version(MODEL_NAME)
                return
            time.sleep(0.05)
    sys.exit("The Model Server did not come up.")


def run(url: str, batch_size: str, source: str, target: str) -> None:
    """Return the batch."""
    command = [TENDIES, "batch", "--server", url, "--model", MODEL_NAME, "--max-batch-size", batch_size]
    subprocess.run([*command, source, target], check=True)


def serve_and_run() -> None:
    model_base_path, batch_size, source, target, url = sys.argv[1:]
    if url:
        run(url, batch_size, source, target)
        return
    with server_of(model_base_path) as started:
        wait_for(started)
        run(started, batch_size, source, target)


if __name__ == "__main__":
    serve_and_run()
