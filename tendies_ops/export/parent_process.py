"""The parent's side of an export: start the child, listen, stop it in time, and make the result appear at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import tendies_ops
from tendies_ops import errors
from tendies_ops.child_environment import environment_of_child
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import ExportError, OutOfMemoryError, StoppedError, TendiesError, UsageError
from tendies_ops.export.checkpoint_cache import fetched_checkpoint
from tendies_ops.export.live import compare_with_server, require_server
from tendies_ops.export.source_checks import check_inputs
from tendies_ops.export.staging import put_in_place, staging_next_to
from tendies_ops.graphs import require_computing_model
from tendies_ops.spans import traced
from tendies_ops.spec import MANIFEST_PATH, Manifest, ModelSpec, read_manifest
from tendies_ops.spec.source import is_url

_POLL_INTERVAL_S = 0.1
_GRACE_S = 2.0
#: Runs this very package in another environment, without showing that environment the rest of ours.
_BOOTSTRAP = """
import importlib.util, runpy, sys
spec = importlib.util.spec_from_file_location("tendies_ops", sys.argv[1] + "/__init__.py",
                                              submodule_search_locations=[sys.argv[1]])
sys.modules["tendies_ops"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["tendies_ops"])
try:
    runpy.run_module("tendies_ops.export.child_process", run_name="__main__", alter_sys=True)
except ModuleNotFoundError as error:
    sys.exit(f"{sys.executable} has no module {error.name}; an export needs "
             "tensorflow, numpy, orjson, pillow, psutil, pybase64, pydantic, pyyaml there")
"""


@dataclass(frozen=True)
class ExportResult:
    """The result of an export."""

    saved_model_dir: Path
    manifest: Manifest


@dataclass(frozen=True)
class _Limits:
    timeout_s: float
    cancelled: threading.Event | None
    on_line: Callable[[str], None] | None


@traced("tendies.export")
def export_model(  # noqa: PLR0913 - keyword arguments, each with a default
    spec: ModelSpec,
    output_dir: Path,
    *,
    checkpoint: Path | str | None = None,
    python: str | None = None,
    timeout_s: float = 1800.0,
    server_url: str | None = None,
    credentials: Credentials = NO_CREDENTIALS,
    own_pictures: Sequence[Path] = (),
    explain: bool = False,
    strict: bool = False,
    cancelled: threading.Event | None = None,
    on_line: Callable[[str], None] | None = None,
) -> ExportResult:
    """
    Export one model. ``output_dir`` becomes the SavedModel directory, by one rename, or remains unchanged.

    :param checkpoint: path or fsspec URL; replaces ``source.checkpoint``.
    :param python: the interpreter that has TensorFlow; absent: this one.
    :param server_url: a Model Server that serves this model, whose answers are compared as well; with ``credentials``.
    :param own_pictures: golden images of a spec that has none, in addition to those that are made.
    :param explain: also report the numbers of one picture at each step.
    :param strict: fail if the network's numbers contradict the contract, instead of warning.
    :param cancelled: when set, the child is killed and :class:`StoppedError` raised.
    :param on_line: called with each line of progress.
    :raises TendiesError: the spec, the checkpoint or the proof is wrong; the time is up; it was stopped.
    """
    spec = _checked(spec, checkpoint)
    output_dir = _replaceable(output_dir.absolute())
    if server_url is not None:
        require_server(spec, server_url, credentials)
    how = {"own_pictures": [str(path.absolute()) for path in own_pictures], "explain": explain, "strict": strict}
    limits = _Limits(timeout_s, cancelled, on_line)
    with staging_next_to(output_dir) as staging, _on_this_machine(spec, limits) as local:
        origin = spec.source.checkpoint if local is not spec else None
        job = {"action": "export", "directory": str(staging), "spec": local.model_dump(mode="json"), "origin": origin}
        _run_child({**job, **how}, python, limits)
        if server_url is not None:
            compare_with_server(staging, server_url, credentials)
        put_in_place(staging, output_dir)
    return ExportResult(output_dir, read_manifest(output_dir))


def _checked(spec: ModelSpec, checkpoint: Path | str | None) -> ModelSpec:
    if checkpoint is not None:
        spec = _with_checkpoint(spec, checkpoint if is_url(checkpoint) else Path(checkpoint).absolute())
    check_inputs(spec)
    return spec


def _with_checkpoint(spec: ModelSpec, checkpoint: Path | str) -> ModelSpec:
    return spec.model_copy(update={"source": spec.source.model_copy(update={"checkpoint": checkpoint})})


@contextlib.contextmanager
def _on_this_machine(spec: ModelSpec, limits: _Limits) -> Iterator[ModelSpec]:
    """Yield the spec with a local checkpoint; one behind a URL is fetched, and kept while the block runs."""
    url = spec.source.checkpoint
    if not is_url(url):
        yield spec
        return
    say = limits.on_line or (lambda _: None)
    with fetched_checkpoint(url, say=say, cancelled=limits.cancelled) as path:
        local = _with_checkpoint(spec, path)
        check_inputs(local)
        yield local


def check_loads(
    saved_model_dir: Path,
    *,
    allowed: Iterable[str] = (),
    python: str | None = None,
    timeout_s: float = 600.0,
) -> None:
    """
    Load a SavedModel once in a child process, if its graph only computes.

    :param allowed: operations that it may have although they do more than compute.
    :raises UntrustedModelError: it has others.
    :raises ExportError: it does not load.
    """
    if not (saved_model_dir / "saved_model.pb").is_file():
        raise ExportError(f"{saved_model_dir} holds no SavedModel (no saved_model.pb).")
    require_computing_model(saved_model_dir, allowed)
    job = {"action": "check_loads", "directory": str(saved_model_dir.absolute())}
    _run_child(job, python, _Limits(timeout_s, None, None))


def try_contracts(
    spec: ModelSpec, outputs: Sequence[str], pictures: Sequence[Path], directory: Path, **how: Any
) -> dict[str, Any]:
    """
    Run a model on pictures under the usual contracts, in a child process.

    :param spec: its source; of its contract, what the file itself defines.
    :param outputs: tensors of the graph that may be the output, the likeliest first; empty: the source names its own.
    :param pictures: absent: some are made.
    :param directory: gets the pictures that came out.
    :param how: ``python``, ``timeout_s`` and ``on_line``, as for :func:`export_model`.
    :return: as :func:`~tendies_ops.export.trial.try_model.try_model` returns it.
    :raises TendiesError: the model cannot be opened or run, or gives no sane numbers.
    """
    check_inputs(spec)
    job = {
        "action": "try",
        "directory": str(directory),
        "spec": spec.model_dump(mode="json"),
        "outputs": list(outputs),
        "pictures": [str(path.absolute()) for path in pictures],
    }
    return _run_child(job, how.get("python"), _Limits(how.get("timeout_s", 1800.0), None, how.get("on_line")))


def _replaceable(output_dir: Path) -> Path:
    if output_dir.is_dir():
        if any(output_dir.iterdir()) and not (output_dir / MANIFEST_PATH).is_file():
            raise UsageError(
                f"{output_dir} is not empty and no earlier export. Give a directory that does not exist yet."
            )
        if any(output_dir.iterdir()) and output_dir.name.isdecimal():
            raise UsageError(
                f"{output_dir} is there already, and its name is a version's, whose content never changes: a server "
                "may have it loaded. Give another directory, and make the next version of it with `tendies publish`."
            )
    elif output_dir.exists() or output_dir.is_symlink():
        raise UsageError(f"{output_dir} is not a directory. Give a directory that does not exist yet.")
    return output_dir


def _run_child(job: dict[str, Any], python: str | None, limits: _Limits) -> dict[str, Any]:
    deadline_s = time.monotonic() + limits.timeout_s
    with tempfile.TemporaryFile() as noise:
        process = _start(python, noise)
        answer: dict[str, Any] = {}
        listener = threading.Thread(target=_listen, args=(process, answer, limits.on_line), daemon=True)
        listener.start()
        try:
            _send_job(process, job)
            _wait(process, deadline_s, limits)
        finally:
            _kill_group(process)
        listener.join(timeout=_GRACE_S)
        return _result_of(answer, process, noise)


def _start(python: str | None, noise: BinaryIO) -> subprocess.Popen[bytes]:
    own = python is None or Path(python) == Path(sys.executable)
    package = str(Path(tendies_ops.__file__).parent)
    command = (
        [sys.executable, "-m", "tendies_ops.export.child_process"] if own else [str(python), "-c", _BOOTSTRAP, package]
    )
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=noise,
            start_new_session=True,
            env=environment_of_child(),
        )
    except OSError as error:
        raise UsageError(f"The interpreter {python} cannot be started: {error.strerror}.") from error


def _send_job(process: subprocess.Popen[bytes], job: dict[str, Any]) -> None:
    """Hand over the job. The pipe stays open: its end shows the child that the parent is gone."""
    if process.stdin is None:  # never: it was asked for
        return
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # it died at once; its output has the reason


def _listen(process: subprocess.Popen[bytes], answer: dict[str, Any], on_line: Callable[[str], None] | None) -> None:
    for raw in process.stdout or ():
        try:
            message = json.loads(raw)
        except ValueError:
            continue
        if "line" in message and on_line is not None:
            on_line(message["line"])
        answer.update(message)


def _wait(process: subprocess.Popen[bytes], deadline_s: float, limits: _Limits) -> None:
    while process.poll() is None:
        if limits.cancelled is not None and limits.cancelled.is_set():
            raise StoppedError("The export was stopped; nothing was written.")
        if time.monotonic() > deadline_s:
            raise ExportError(
                f"The export took longer than {limits.timeout_s:g} s and was stopped; nothing was written. "
                "Allow more with --timeout, or airflow.export_timeout_s in the spec."
            )
        try:
            process.wait(_POLL_INTERVAL_S)
        except subprocess.TimeoutExpired:
            continue


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


def _result_of(answer: dict[str, Any], process: subprocess.Popen[bytes], noise: BinaryIO) -> dict[str, Any]:
    if "done" in answer:
        result: dict[str, Any] = answer["done"]
        return result
    if "error" in answer:
        kind = getattr(errors, answer["error"]["type"], ExportError)
        raise kind(answer["error"]["message"]) if issubclass(kind, TendiesError) else ExportError(str(answer["error"]))
    if process.returncode == -signal.SIGKILL:
        raise OutOfMemoryError(
            "The export's process was killed, most likely because memory ran out. Nothing was written. "
            "Give it more, or let fewer others run at the same time."
        )
    raise ExportError(_why_it_died(process.returncode, noise))


def _why_it_died(status: int, noise: BinaryIO) -> str:
    noise.seek(0)
    lines = [line for line in noise.read().decode(errors="replace").splitlines() if line.strip()]
    last = lines[-1][:500] if lines else "it printed nothing"
    how = signal.Signals(-status).name if status < 0 else f"status {status}"
    return f"The export's process ended with {how}: {last}. Nothing was written."
