"""
The embedded Model Server with the versions of ``candidates.py``: HTTP, watching, retrying, swapping are the real ones.

Run it: ``python -m tests.support.shift_servable --rest_api_port=... --model_name=stripes --model_base_path=...``
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.loading.batching import BatchingServable
from tendies_ops.server.loading.batching_config import batching_of_all
from tendies_ops.server.loading.saved_model_loader import require_saved_model
from tendies_ops.server.run_server import run
from tendies_ops.server.status_codes import StatusError
from tests.support.candidates import answer_to
from tests.support.file_servable import FileServable


class ShiftServable(FileServable):
    """Shifts every pixel by what its ``fake.json`` says."""

    def __init__(self, behaviour: Mapping[str, Any]) -> None:
        self._behaviour = behaviour

    def before_answers(self) -> None:
        time.sleep(self._behaviour.get("answer_s", 0.0))
        if "answer_error" in self._behaviour:
            raise StatusError("INVALID_ARGUMENT", self._behaviour["answer_error"])

    def answer(self, file: bytes) -> bytes:
        try:
            return answer_to(file, self._behaviour)
        except (OSError, SyntaxError) as error:  # Pillow's for a picture that is none; TensorFlow's own words:
            raise StatusError("INVALID_ARGUMENT", f"Invalid PNG data, size {len(file)}") from error


class ShiftLoader:
    """Loads what ``make_candidate`` made, with TensorFlow's words where it does not load."""

    def __init__(self, flags: Flags) -> None:
        self._batching = batching_of_all(flags)

    def __call__(self, model_name: str, version: int, version_dir: Path) -> Servable:
        require_saved_model(version_dir)
        if (version_dir / "variables").is_dir() and not (version_dir / "variables" / "variables.index").exists():
            raise StatusError("OUT_OF_RANGE", "Read less bytes than requested")
        behaviour = json.loads((version_dir / "fake.json").read_bytes())
        if not (version_dir / "variables").is_dir():
            behaviour["answer_error"] = "Could not find variable w. This could mean that it has been deleted."
        time.sleep(behaviour.get("load_s", 0.0))
        if "error" in behaviour:
            code, _, message = behaviour["error"].partition(": ")
            raise StatusError(code, message)
        if behaviour.get("crash"):
            os.abort()
        servable = ShiftServable(behaviour)
        if self._batching is None:
            return servable
        return BatchingServable(servable, self._batching, threading.Semaphore(4))


if __name__ == "__main__":
    if "--until_stdin_ends" in sys.argv:
        sys.argv.remove("--until_stdin_ends")
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    sys.exit(run(sys.argv[1:], make_loader=ShiftLoader))
