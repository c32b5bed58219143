"""
``python -m tendies_ops.export.child_process``: the only process of an export that imports TensorFlow.

One JSON line on standard input is the job; JSON lines on standard output report progress, and last
``{"done": ...}`` or ``{"error": ...}``. When the input ends before that, the parent is gone, and so is this process.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

from tendies_ops.errors import ExportError, TendiesError


def main() -> int:
    """Do one job. Returns the exit status."""
    out = _private_stdout()
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    staging = Path(job["directory"])
    threading.Thread(target=_die_with_parent, args=(staging, job["action"] == "export"), daemon=True).start()
    try:
        _prepare_tensorflow()
        result = _do(job, lambda text: _send(out, {"line": text}))
    except TendiesError as error:
        _send(out, {"error": {"type": type(error).__name__, "message": str(error)}})
        return error.exit_status
    except MemoryError:
        _send(out, {"error": {"type": "OutOfMemoryError", "message": "The export ran out of memory. Give it more."}})
        return 1
    _send(out, {"done": result})
    return 0


def _do(job: dict[str, Any], say: Any) -> dict[str, Any]:
    directory = Path(job["directory"])
    if job["action"] == "check_loads":
        from tendies_ops.export.savedmodel_files import load_signature

        load_signature(directory)
        return {}
    from tendies_ops.spec import ModelSpec

    spec = ModelSpec.model_validate(job["spec"])
    if job["action"] == "try":
        from tendies_ops.export.trial.try_model import try_model

        return try_model(spec, job["outputs"], [Path(name) for name in job["pictures"]], directory, say)
    from tendies_ops.export.pipeline import export_to

    own_pictures = [Path(name) for name in job["own_pictures"]]
    how = {name: job[name] for name in ("origin", "explain", "strict")}
    export_to(directory, spec, say, own_pictures, **how)
    return {}


def _prepare_tensorflow() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # the proof is on the CPU, where it is the same everywhere
    try:
        import tensorflow as tf
    except ImportError as error:
        raise ExportError(
            f"{sys.executable} cannot import TensorFlow ({error}). Install `airflow-provider-tendies[tensorflow]` "
            "there, or name the interpreter that has it with --python."
        ) from error
    tf.get_logger().setLevel("ERROR")


def _private_stdout() -> TextIO:
    """Keep the pipe to the parent for our own lines; whatever else prints goes to standard error."""
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return own


def _send(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _die_with_parent(staging: Path, remove: bool) -> None:
    sys.stdin.read()
    if remove:
        shutil.rmtree(staging, ignore_errors=True)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)  # with whatever a builder started
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
