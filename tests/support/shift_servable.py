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

from tendies_ops.server.main import run
from tendies_ops.server.saved_model_loader import require_saved_model
from tendies_ops.server.servable import Servable
from tendies_ops.server.signatures import Dimension, Signature, TensorInfo
from tendies_ops.server.status import StatusError
from tendies_ops.server.tensors import STRING, StringTensor, Tensor
from tests.support.candidates import answer_to


class ShiftServable:
    """Shifts every pixel by what its ``fake.json`` says."""

    def __init__(self, behaviour: Mapping[str, Any]) -> None:
        self._behaviour = behaviour
        any_size = (Dimension(-1),)
        self.signatures: Mapping[str, Signature] = {
            "serving_default": Signature(
                "serving_default",
                inputs={"input_bytes": TensorInfo("serving_default_input_bytes:0", STRING, any_size)},
                outputs={"output_bytes": TensorInfo("StatefulPartitionedCall:0", STRING, any_size)},
                method_name="tensorflow/serving/predict",
            )
        }

    def run(self, signature: Signature, inputs: Mapping[str, Tensor], *, timeout_ms: int = 0) -> dict[str, Tensor]:
        files = inputs["input_bytes"]
        assert isinstance(files, StringTensor)
        time.sleep(self._behaviour.get("answer_s", 0.0))
        if "answer_error" in self._behaviour:
            raise StatusError("INVALID_ARGUMENT", self._behaviour["answer_error"])
        return {"output_bytes": StringTensor(files.shape, [answer_to(file, self._behaviour) for file in files.values])}

    def close(self) -> None:
        """Nothing to give back."""


class ShiftLoader:
    """Loads what ``make_candidate`` made, with TensorFlow's words where it does not load."""

    def __init__(self, *_: object) -> None:
        """The server's flags and metrics are of no use here."""

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
        return ShiftServable(behaviour)


if __name__ == "__main__":
    if "--until_stdin_ends" in sys.argv:
        sys.argv.remove("--until_stdin_ends")
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    sys.exit(run(sys.argv[1:], make_loader=ShiftLoader))
