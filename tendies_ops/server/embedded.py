"""The embedded Model Server as a child process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import tendies_ops
from tendies_ops.child_environment import environment_of_child
from tendies_ops.errors import UsageError

#: Ends with the parent process, however that ends: its pipe is then closed. Loads this package into an interpreter that
#: has TensorFlow and may not have tendies.
_BOOTSTRAP: Final = """
import importlib.util, os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
package = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "tendies_ops", package + "/__init__.py", submodule_search_locations=[package]
)
sys.modules["tendies_ops"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["tendies_ops"])
try:
    from tendies_ops.server.run_server import run
except ModuleNotFoundError as error:
    sys.exit(f"{sys.executable} has no module {error.name}; the embedded Model Server needs "
             "tensorflow, httptools, numpy, protobuf, pybase64, python-rapidjson there")
sys.exit(run(sys.argv[2:]))
"""
PROGRAM: Final = ("-c", _BOOTSTRAP, str(Path(tendies_ops.__file__).parent))


@dataclass(frozen=True)
class EmbeddedServer:
    """A started server; it answers as soon as its first version serves."""

    url: str
    process: subprocess.Popen[bytes]
    log_path: Path

    def last_words(self) -> str:
        """Return the end of its log, or the reason why it did not start."""
        text = " ".join(self.log_path.read_text(errors="replace").split())
        start = text.rfind("Failed to start server")  # its own message for a first version that does not load
        return (text[start:][:600] if start >= 0 else text[-600:]) or "its log is empty"


@contextlib.contextmanager
def embedded_server(
    flags: Sequence[str],
    log_path: Path,
    *,
    python: str | None = None,
    program: Sequence[str] = PROGRAM,
    environment: Mapping[str, str] | None = None,
) -> Iterator[EmbeddedServer]:
    """
    Run a server on a reserved port of 127.0.0.1; it is killed at the end of the block or of this process.

    :param flags: those of tensorflow_model_server, without a port.
    :param python: an interpreter that has TensorFlow; by default this one.
    :param program: arguments of the interpreter, instead of the embedded server.
    :param environment: replaces that of this process. Secrets are removed from either.
    :raises UsageError: the interpreter cannot be started.
    """
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        own = (f"--rest_api_port={port}", f"--rest_api_socket={bound.fileno()}")
        process = _start([python or sys.executable, *program, *own, *flags], log_path, bound.fileno(), environment)
    try:
        yield EmbeddedServer(f"http://127.0.0.1:{port}", process, log_path)
    finally:
        process.kill()
        process.communicate()


def _start(
    command: list[str], log_path: Path, descriptor: int, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    with log_path.open("wb") as log:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=[descriptor],
                env=environment_of_child(os.environ if environment is None else environment),
            )
        except OSError as error:
            raise UsageError(f"{command[0]} cannot be started: {error.strerror}.") from error
