"""A model with parameters, without TensorFlow: each row of a request says by how much its picture is shifted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pybase64

from tendies_ops.rest_api.predict import PICTURE_INPUT
from tendies_ops.spec.manifest import MANIFEST_PATH
from tests.support.candidates import make_candidate, shift
from tests.support.canned_server import Answer, Request, error_answer, predictions_answer
from tests.support.watching_server import WatchingServer

MODEL = "shifter"
INPUTS: dict[str, Any] = {
    "by": {"tensor": "b", "one_hot": 100, "choices": {"little": 3}, "default": 10},
    "strength": {"tensor": "s", "minimum": 0, "maximum": 1, "default": 1},
}


class Shifter(WatchingServer):
    """Shifts by what each row asks for."""

    refuses = False

    def _predict(self, request: Request, name: str, wanted: str | None) -> Answer:
        if self.refuses:
            return error_answer(400, "no <b>such</b> tensor")
        rows = json.loads(request.body)["instances"]
        return predictions_answer(
            [shift(pybase64.b64decode(row[PICTURE_INPUT]["b64"]), round(row["by"] * row["strength"])) for row in rows]
        )


@contextmanager
def serve_shifter(base: Path, *, model_name: str = MODEL) -> Iterator[Shifter]:
    """Serve version 1 of the model."""
    base.mkdir(parents=True)
    path = make_candidate(base / "1", model_name=model_name) / MANIFEST_PATH
    manifest = orjson.loads(path.read_bytes())
    path.write_bytes(orjson.dumps({**manifest, "contract": {"extra_inputs": INPUTS}}))
    with Shifter(base, model_name=model_name) as server:
        server.wait_until_serving(1)
        yield server


def shifter_spec(server: Shifter, pictures: Path, results: Path) -> dict[str, Any]:
    """Return the spec of the model."""
    return {
        "model_name": server.model_name,
        "source": {"checkpoint": "c"},
        "contract": {"extra_inputs": INPUTS},
        "release": {"model_base_path": str(server.base), "servers": [server.url]},
        "batch": {"input": str(pictures), "output": str(results)},
    }
