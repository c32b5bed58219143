"""
What parameters cost a batch: pictures a second with five styles mixed, and with one style for all.

    python -m bench.mixed_parameters [--rounds 5]

The model is the example of five styles, through the embedded server. The runs take turns, and a ratio is of one round.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.results import Row, as_table, write_result
from tendies_ops.export import export_model
from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.spec import load_spec
from tests.support.model_server import start_model_server

SPEC = Path(__file__).parents[1] / "examples" / "models" / "five_styles.yaml"
STYLES = ("poster", "ink", "watercolour", "copper", "neon")
PICTURES = 60


def make_pictures(folder: Path) -> None:
    """Draw pictures of 128x128, a folder for each style."""
    rng = np.random.default_rng(3)
    for number in range(PICTURES):
        path = folder / STYLES[number % len(STYLES)] / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (16, 16, 3)).astype(np.uint8))
        small.resize((128, 128), Image.Resampling.BICUBIC).save(path)


def measure(options: BatchOptions, output: Path, values: dict[str, Any]) -> float:
    """Run everything once, and return pictures a second."""
    started_s = time.perf_counter()
    report = run_batch(options.replaced(output=str(output), **values))
    if report.done != PICTURES:
        raise RuntimeError(f"{report.done} of {PICTURES} pictures were done")
    return PICTURES / (time.perf_counter() - started_s)


def run_rounds(options: BatchOptions, folder: Path, rounds: int) -> list[tuple[float, float]]:
    """Return pictures a second with mixed parameters and with equal ones, of each round."""
    mixed = {"parameters_by_path": {f"{style}/**": {"style": style, "strength": 0.8} for style in STYLES}}
    equal = {"parameters": {"style": "ink", "strength": 0.8}}
    found = []
    for number in range(rounds + 1):  # the first warms up
        speeds = [
            measure(options, folder / f"out{number}-{name}", values)
            for name, values in (("mixed", mixed), ("equal", equal))
        ]
        found.append((speeds[0], speeds[1]))
    return found[1:]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_pictures(folder / "in")
        export_model(load_spec(SPEC), folder / "models" / "1")
        with start_model_server("--model_name=five_styles", f"--model_base_path={folder / 'models'}") as server:
            options = BatchOptions(
                input=str(folder / "in"),
                output=str(folder / "out"),
                model_name="five_styles",
                servers=(server.url,),
                model_base_path=str(folder / "models"),
            )
            rounds = run_rounds(options, folder, arguments.rounds)
    rows = [
        Row.of_rounds(
            "five styles mixed in a batch, 128x128",
            "images/s",
            rounds,
            compared_with="one style for all",
            promise=">= 0.9",
        )
    ]
    print(as_table(rows))
    write_result("mixed_parameters", rows, rounds=arguments.rounds)


if __name__ == "__main__":
    main()
