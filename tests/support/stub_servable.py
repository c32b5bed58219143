"""
The embedded Model Server with a servable that needs no TensorFlow: HTTP, watching, swapping are the real ones.

A version directory needs a ``saved_model.pb`` (any content) or a ``stub.json``. The latter says how it behaves:

    {"load_seconds": 0.5,                                    how long it loads
     "load_error": {"code": "DATA_LOSS", "message": "..."},  it does not load
     "append": "text",                                       added to each file; without it files come back as they are
     "answer_file": "out.png",                               each answer is this file of the version directory
     "latency_seconds": 0.1,                                 how long a request takes
     "run_error": {"code": "INVALID_ARGUMENT", "message": "..."},                all fail
     "refuse_prefix": "text"}                                requests with such a file fail, as for a bad picture

Run it: ``python -m tests.support.stub_servable --rest_api_port=... --model_name=... --model_base_path=...``
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.loading.saved_model_loader import require_saved_model
from tendies_ops.server.run_server import run
from tendies_ops.server.status_codes import StatusError
from tests.support.file_servable import FileServable


class StubServable(FileServable):
    """Answers as its version directory says."""

    def __init__(self, version_dir: Path, behaviour: Mapping[str, Any]) -> None:
        self._behaviour = behaviour
        file_name = behaviour.get("answer_file")
        self._answer = (version_dir / file_name).read_bytes() if file_name else None

    def before_answers(self) -> None:
        time.sleep(self._behaviour.get("latency_seconds", 0.0))
        _raise_if_told(self._behaviour.get("run_error"))

    def answer(self, file: bytes) -> bytes:
        refused = self._behaviour.get("refuse_prefix")
        if refused is not None and file.startswith(refused.encode()):
            raise StatusError("INVALID_ARGUMENT", "Unknown image file format. One of JPEG, PNG, GIF, BMP required.")
        appended: str = self._behaviour.get("append", "")
        return self._answer if self._answer is not None else file + appended.encode()


class StubLoader:
    """Loads version directories without looking into ``saved_model.pb``."""

    def __init__(self, flags: Flags) -> None:
        del flags

    def __call__(self, model_name: str, version: int, version_dir: Path) -> Servable:
        told = version_dir / "stub.json"
        if not told.exists():
            require_saved_model(version_dir)
        behaviour = json.loads(told.read_bytes()) if told.exists() else {}
        time.sleep(behaviour.get("load_seconds", 0.0))
        _raise_if_told(behaviour.get("load_error"))
        return StubServable(version_dir, behaviour)


def _raise_if_told(error: Mapping[str, str] | None) -> None:
    if error is not None:
        raise StatusError(error["code"], error["message"])


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], make_loader=StubLoader))
