"""
The rehearsal: before a version becomes visible, an embedded Model Server serves it alone and it proves itself there.

What loads and then answers wrongly (a signature that changed, NaN, wrong pixels, no variables) would otherwise be found
only when it is live, because Model Server's default policy unloads the good version as soon as the new one is loaded.
What takes the process down takes down a child of ours and no replica.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import tendies_ops
from tendies_ops.child_environment import environment_of_child
from tendies_ops.errors import LoadFailedError, ProofFailedError, StoppedError, UsageError
from tendies_ops.graphs import require_computing_model
from tendies_ops.publish.layout import STAGING_PREFIX
from tendies_ops.publish.scratch import ScratchFolder
from tendies_ops.release.replicas.fleet import Fleet, describe_outcomes
from tendies_ops.release.replicas.golden_images import GoldenImage, read_golden
from tendies_ops.release.replicas.prove import prove_version
from tendies_ops.spec.manifest import read_manifest

#: Ends with us, however we end: a pipe that nobody holds open any more is at its end. Takes this package along to an
#: interpreter that has TensorFlow and may not have tendies.
_SERVER = """
import importlib.util, os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
package = sys.argv[1]
spec = importlib.util.spec_from_file_location(
    "tendies_ops", package + "/__init__.py", submodule_search_locations=[package]
)
sys.modules["tendies_ops"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["tendies_ops"])
from tendies_ops.server.main import run
sys.exit(run(sys.argv[2:]))
"""
_EMBEDDED_SERVER = ("-c", _SERVER, str(Path(tendies_ops.__file__).parent))
_PORTS_TRIED = 3  # a free port may be taken before the child has it
_POLL_S = 0.2
_FLAGS = ("--max_num_load_retries=0", "--num_load_threads=2", "--file_system_poll_wait_seconds=1")


def rehearse(  # noqa: PLR0913 - keyword arguments, each with a default
    saved_model_dir: Path,
    *,
    allowed: Iterable[str] = (),
    timeout_s: float = 600.0,
    tolerance: float = 2.0,
    python: str | None = None,
    program: Sequence[str] = _EMBEDDED_SERVER,
    cancelled: threading.Event | None = None,
) -> None:
    """
    Serve a SavedModel in a child process and send it its golden images through REST.

    :param allowed: operations that its graph may have although they do more than compute.
    :param timeout_s: until it is AVAILABLE there; TensorFlow's start is in it.
    :param tolerance: largest difference to the promised pictures, of 255.
    :param python: the interpreter that has TensorFlow; absent: this one.
    :param program: what it runs, instead of the embedded server.
    :param cancelled: when set, the child is ended and StoppedError raised.
    :raises UntrustedModelError: its graph has operations that do more than compute and are not ``allowed``.
    :raises LoadFailedError: it does not load, or takes the process down.
    :raises ProofFailedError: it answers something else than its manifest promises.
    """
    require_computing_model(saved_model_dir, allowed)
    manifest = read_manifest(saved_model_dir)
    golden = read_golden(saved_model_dir, manifest)
    with _scratch_folder(saved_model_dir) as scratch:
        stage = _Stage(Path(scratch), manifest.model_name, [python or sys.executable, *program], timeout_s)
        (Path(scratch) / "base").mkdir()
        (Path(scratch) / "base" / "1").symlink_to(saved_model_dir.absolute(), target_is_directory=True)
        for left in reversed(range(_PORTS_TRIED)):
            if stage.play(golden, tolerance, cancelled or threading.Event(), last_try=not left):
                return


def _scratch_folder(saved_model_dir: Path) -> AbstractContextManager[str | Path]:
    """Return a folder that goes also if this process is killed; beside a staged version, by the next release."""
    if saved_model_dir.name.startswith(STAGING_PREFIX):
        return tempfile.TemporaryDirectory(prefix=f"{STAGING_PREFIX}rehearsal-", dir=saved_model_dir.absolute().parent)
    return ScratchFolder("rehearsal")


@dataclass(frozen=True)
class _Stage:
    """Where one candidate is tried."""

    scratch: Path
    model_name: str
    command: list[str]
    timeout_s: float

    @property
    def log_path(self) -> Path:
        return self.scratch / "server.log"

    def play(
        self, golden: tuple[GoldenImage, ...], tolerance: float, cancelled: threading.Event, *, last_try: bool
    ) -> bool:
        """False: somebody else has the port."""
        port = _free_port()
        flags = (f"--rest_api_port={port}", f"--model_name={self.model_name}", f"--model_base_path={self.scratch}/base")
        with (
            _child([*self.command, *flags, *_FLAGS], self.log_path) as child,
            Fleet([f"http://127.0.0.1:{port}"], self.model_name) as fleet,
        ):
            try:
                _wait(fleet, child, self.timeout_s, cancelled, self.log_path)
            except LoadFailedError as error:
                if last_try or "address already in use" not in str(error):
                    raise
                return False
            try:
                prove_version(fleet, 1, golden, tolerance=tolerance)
            except ProofFailedError as error:
                raise ProofFailedError(f"In a rehearsal, before it was published: {error}") from error
        return True


@contextlib.contextmanager
def _child(command: list[str], log_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log_path.open("wb") as log:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment_of_child()
            )
        except OSError as error:
            raise UsageError(f"{command[0]} cannot be started: {error.strerror}.") from error
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def _wait(
    fleet: Fleet, child: subprocess.Popen[bytes], timeout_s: float, cancelled: threading.Event, log_path: Path
) -> None:
    """Wait until it serves; a child that died will never answer."""
    over = threading.Event()

    def watch() -> None:
        while child.poll() is None and not cancelled.wait(_POLL_S):
            pass
        over.set()

    threading.Thread(target=watch, daemon=True).start()
    outcomes = fleet.wait_until_serving(1, timeout_s=timeout_s, unreachable_grace_s=None, cancelled=over)
    if cancelled.is_set():
        raise StoppedError("The rehearsal was asked to stop; nothing was published")
    if all(outcome.kind == "serving" for outcome in outcomes.values()):
        return
    if over.is_set():
        raise LoadFailedError(
            f"In a rehearsal the Model Server ended with status {child.returncode} while loading the version: "
            f"{_last_words(log_path)}"
        )
    raise LoadFailedError(f"In a rehearsal, before it was published: {describe_outcomes(outcomes)}")


def _last_words(log_path: Path) -> str:
    text = " ".join(log_path.read_text(errors="replace").split())
    start = text.rfind("Failed to start server")  # its own words for a first version that does not load
    return (text[start:][:600] if start >= 0 else text[-600:]) or "it said nothing"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
