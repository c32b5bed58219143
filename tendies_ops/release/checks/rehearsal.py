"""
The rehearsal: before a version becomes visible, an embedded Model Server serves it alone and it is proved there.

A version that loads and then answers wrongly (a changed signature, NaN, wrong pixels, no variables) would otherwise be
noticed only when it is live: Model Server's default policy unloads the good version as soon as the new one is loaded.
A version that crashes its server crashes a child process and no replica.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tendies_ops.errors import LoadFailedError, ProofFailedError, StoppedError
from tendies_ops.graphs import require_computing_model
from tendies_ops.publish.layout import STAGING_PREFIX
from tendies_ops.publish.scratch import ScratchFolder
from tendies_ops.release.replicas.fleet import Fleet, describe_outcomes
from tendies_ops.release.replicas.golden_images import read_golden
from tendies_ops.release.replicas.prove import prove_version
from tendies_ops.server.embedded import PROGRAM, EmbeddedServer, embedded_server
from tendies_ops.spans import traced
from tendies_ops.spec.manifest import read_manifest

_POLL_S = 0.2
_FLAGS = ("--max_num_load_retries=0", "--num_load_threads=2", "--file_system_poll_wait_seconds=1")


@traced("tendies.release.rehearse")
def rehearse(  # noqa: PLR0913 - keyword arguments, each with a default
    saved_model_dir: Path,
    *,
    allowed: Iterable[str] = (),
    timeout_s: float = 600.0,
    tolerance: float = 2.0,
    python: str | None = None,
    program: Sequence[str] = PROGRAM,
    cancelled: threading.Event | None = None,
) -> None:
    """
    Serve a SavedModel in a child process and send it its golden images through REST.

    :param allowed: operations that the graph may have although they do more than compute.
    :param timeout_s: until it is AVAILABLE there, the start of TensorFlow included.
    :param tolerance: largest difference to the promised pictures, of 255.
    :param python: the interpreter that has TensorFlow; absent: this one.
    :param program: its arguments, instead of the embedded server's.
    :param cancelled: when set, the child is ended and StoppedError raised.
    :raises UntrustedModelError: its graph has operations that do more than compute and are not ``allowed``.
    :raises LoadFailedError: it does not load, or crashes the server.
    :raises ProofFailedError: its answers are not those that its manifest promises.
    """
    require_computing_model(saved_model_dir, allowed)
    manifest = read_manifest(saved_model_dir)
    golden = read_golden(saved_model_dir, manifest)
    with _scratch_folder(saved_model_dir) as scratch:
        base = Path(scratch) / "base"
        base.mkdir()
        (base / "1").symlink_to(saved_model_dir.absolute(), target_is_directory=True)
        flags = (f"--model_name={manifest.model_name}", f"--model_base_path={base}", *_FLAGS)
        with (
            embedded_server(flags, Path(scratch) / "server.log", python=python, program=program) as server,
            Fleet([server.url], manifest.model_name) as fleet,
        ):
            _wait(fleet, server, timeout_s, cancelled or threading.Event())
            try:
                prove_version(fleet, 1, golden, tolerance=tolerance)
            except ProofFailedError as error:
                raise ProofFailedError(f"In a rehearsal, before it was published: {error}") from error


def _scratch_folder(saved_model_dir: Path) -> AbstractContextManager[str | Path]:
    """Return a folder that is removed even if this process is killed; next to a staged version, by the next release."""
    if saved_model_dir.name.startswith(STAGING_PREFIX):
        return tempfile.TemporaryDirectory(prefix=f"{STAGING_PREFIX}rehearsal-", dir=saved_model_dir.absolute().parent)
    return ScratchFolder("rehearsal")


def _wait(fleet: Fleet, server: EmbeddedServer, timeout_s: float, cancelled: threading.Event) -> None:
    """Wait until the child serves, or has ended."""
    over = threading.Event()

    def watch() -> None:
        while server.process.poll() is None and not cancelled.wait(_POLL_S):
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
            f"In a rehearsal the Model Server ended with status {server.process.returncode} while loading the version: "
            f"{server.last_words()}"
        )
    raise LoadFailedError(f"In a rehearsal, before it was published: {describe_outcomes(outcomes)}")
