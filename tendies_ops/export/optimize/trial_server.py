"""The embedded Model Server with one variant, as a process that ends with the export whatever happens."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import ExportError, ServerUnreachableError, VersionGoneError
from tendies_ops.export.optimize.host import Host
from tendies_ops.server.embedded import EmbeddedServer, embedded_server

_MODEL_NAME = "variant"
_START_TIMEOUT_S = 180.0
_REQUEST_TIMEOUT_S = 300.0
_POLL_INTERVAL_S = 0.05


@dataclass(frozen=True)
class TrialServer:
    """A server that has its variant loaded."""

    client: ModelServerClient
    process: subprocess.Popen[bytes]

    def predict(self, files: Sequence[bytes]) -> list[Any]:
        """Send one request. For each picture the model answers a file, numbers, or several outputs."""
        return self.client.predict_rows(_MODEL_NAME, files)

    @property
    def memory_bytes(self) -> int:
        """Return what the process holds in memory now."""
        return int(psutil.Process(self.process.pid).memory_info().rss)


def server_flags(host: Host) -> list[str]:
    """
    Choose the threads: one for each operation, and as many operations at a time as there are CPUs.

    With a request in flight for each CPU nothing is gained by cutting an operation up, and nothing waits.
    """
    return ["--tensorflow_intra_op_parallelism=1", f"--tensorflow_inter_op_parallelism={host.cpus}"]


@contextmanager
def trial_server(model_base_path: Path, host: Host, *, flags: Sequence[str] = ()) -> Iterator[TrialServer]:
    """
    Start a server on 127.0.0.1 and wait until it serves.

    It ends with the export, however that ends.

    :param model_base_path: holds the version directory ``1``.
    :param flags: of the server, after those of :func:`server_flags`.
    :raises ExportError: it does not start or does not load the variant; with its last words.
    """
    environment = dict(os.environ)
    if host.gpus:
        environment.pop("CUDA_VISIBLE_DEVICES", None)  # the export hides them from its own proof
    own = (f"--model_name={_MODEL_NAME}", f"--model_base_path={model_base_path}", *server_flags(host))
    with (
        embedded_server([*own, *flags], model_base_path.with_suffix(".log"), environment=environment) as server,
        ModelServerClient(server.url, timeout_s=_REQUEST_TIMEOUT_S) as client,
    ):
        _wait_until_it_serves(client, server)
        yield TrialServer(client, server.process)


def _wait_until_it_serves(client: ModelServerClient, server: EmbeddedServer) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while server.process.poll() is None and time.monotonic() < deadline_s:
        if _serves(client):
            return
        time.sleep(_POLL_INTERVAL_S)
    raise ExportError(f"The embedded Model Server does not serve it: {server.last_words()}")


def _serves(client: ModelServerClient) -> bool:
    try:
        client.serving_version(_MODEL_NAME)
    except (ServerUnreachableError, VersionGoneError):
        return False
    return True
