"""
The first answer of a new version, with and without the warm-up records that an export writes.

The embedded Model Server serves the photo style of the examples; a 256x256 JPEG is sent as the very first request, then
again until its time has settled.
"""

from __future__ import annotations

import base64
import io
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from bench.results import Row, as_table, write_result
from tendies_ops.export import export_model
from tendies_ops.spec import load_spec
from tests.support.model_server import start_model_server

ROUNDS = 3
SETTLED = 8
SPEC = Path(__file__).parents[1] / "examples" / "models" / "brush_strokes.yaml"


def picture() -> dict[str, str]:
    """One instance: smooth colours with noise, as photographs have both."""
    y, x = np.mgrid[0:256, 0:256]
    noise = np.random.default_rng(5).normal(0, 20, (256, 256, 3))
    pixels = np.clip(np.stack([x, y, 255 - x], axis=2) + noise, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG")
    return {"b64": base64.b64encode(stream.getvalue()).decode()}


def first_and_settled_ms(base: Path, *, warmup: bool) -> tuple[float, float]:
    """Start a server, and time its first answer and its later ones."""
    flags = [f"--model_name={base.name}", f"--model_base_path={base}", f"--enable_model_warmup={str(warmup).lower()}"]
    times_ms = []
    with start_model_server(*flags) as server, requests.Session() as session:
        server.wait_for(base.name, 1, timeout_s=120)
        for _ in range(1 + SETTLED):
            started_s = time.perf_counter()
            url = f"{server.url}/v1/models/{base.name}:predict"
            session.post(url, json={"instances": [picture()]}, timeout=120).raise_for_status()
            times_ms.append((time.perf_counter() - started_s) * 1000)
    return times_ms[0], statistics.median(times_ms[1:])


def main() -> None:
    """Measure and write the rows."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "brush_strokes"
        export_model(load_spec(SPEC), Path(folder) / "export")
        shutil.copytree(Path(folder) / "export", base / "1")
        pairs = []
        for _ in range(ROUNDS):
            pairs.append((first_and_settled_ms(base, warmup=True), first_and_settled_ms(base, warmup=False)))
            print(pairs[-1], flush=True)
    rows = [
        Row.of_rounds(
            "first answer, with warm-up records",
            "ms",
            [(warm[0], without[0]) for warm, without in pairs],
            compared_with="without them",
        ),
        Row.of_rounds(
            "later answers",
            "ms",
            [(warm[1], without[0]) for warm, without in pairs],
            compared_with="first answer without warm-up records",
        ),
    ]
    write_result("warmup_latency", rows, rounds=ROUNDS)
    print(as_table(rows))


if __name__ == "__main__":
    main()
