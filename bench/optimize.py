"""
What optimised versions bring and what they cost, network by network: all variants and float32 take turns in one run.

    python -m bench.optimize                  every network that is there
    python -m bench.optimize brush_strokes    one
    python -m bench.optimize --export         only make what is measured, below .bench/optimize/
    python -m bench.optimize --table          the table of docs/explanation/optimised-versions.md, from the last results

The reference is TensorFlow in this process with the plain float32 export: two requests at a time, one thread an
operation. Every variant answers through the embedded Model Server, float32 too. Prices are those of the manifests: on
photographs (noise pictures for noise_to_stripes), against float32's answers.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.optimize_networks import NETWORKS, Network, export_variants, golden_files
from bench.results import RESULTS, Row, as_table, merge_result, read_rows
from tendies_ops.export.optimize.host import this_host
from tendies_ops.export.optimize.measuring import Load, Predictor, Round, find_load, one_round
from tendies_ops.export.optimize.trial_server import trial_server
from tendies_ops.spec import read_manifest
from tendies_ops.spec.manifest import VariantEntry

ROUNDS = 5
IN_PROCESS = "float32 in process"


class InProcess:
    """The plain export in a session of this process."""

    def __init__(self, saved_model_dir: Path, *, cpus: int) -> None:
        import tensorflow as tf

        tf1 = tf.compat.v1
        config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=cpus)
        self._session = tf1.Session(graph=tf.Graph(), config=config)
        with self._session.graph.as_default():
            meta_graph = tf1.saved_model.load(self._session, ["serve"], str(saved_model_dir))
        signature = meta_graph.signature_def["serving_default"]
        self._run = self._session.make_callable(
            signature.outputs["output_bytes"].name, [signature.inputs["input_bytes"].name]
        )

    def predict(self, files: Sequence[bytes]) -> list[bytes]:
        """Picture files in, picture files out."""
        answers: list[bytes] = self._run(np.array(list(files), object)).tolist()
        return answers


def measure(network: Network, variants: dict[str, Path]) -> tuple[list[dict[str, Round]], Load, dict[str, int]]:
    """
    Let all contenders take turns, in another order each round.

    :param variants: name -> model base path; the first is the plain export.
    :return: rounds, what was sent, and the memory of each server in bytes.
    """
    host = this_host()
    plain = next(iter(variants.values()))
    load = find_load(
        plain, (golden_files(network)[0].read_bytes(),), host, max_batch_size=network.spec.batch.max_batch_size
    )
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(trial_server(path, host)) for name, path in variants.items()}
        contenders: dict[str, Predictor] = {IN_PROCESS: InProcess(plain / "1", cpus=host.cpus), **servers}
        for contender in contenders.values():
            one_round(contender, load)
        rounds = []
        for number in range(ROUNDS):
            names = list(contenders)[number % len(contenders) :] + list(contenders)[: number % len(contenders)]
            rounds.append({name: one_round(contenders[name], load) for name in names})
        return rounds, load, {name: server.memory_bytes for name, server in servers.items()}


def rows_of(network: Network, variants: dict[str, Path]) -> list[Row]:
    """One row a variant, with its price."""
    rounds, load, memory = measure(network, variants)
    plain = next(iter(variants))
    rows = []
    for name, path in variants.items():
        rates = [one[name].images_per_second for one in rounds]
        limit = [one[IN_PROCESS].images_per_second for one in rounds]
        served = [one[plain].images_per_second for one in rounds]
        times_s = [seconds for one in rounds for seconds in one[name].request_s]
        more: dict[str, Any] = {
            "speedup_over_served_float32": _ratio(rates, served),
            "milliseconds_a_request": 1000 * statistics.median(times_s),
            "batch_size": load.batch_size,
            "requests_in_flight": load.in_flight,
            "memory_mb": memory[name] / 1e6,
            "file_mb": (path / "1" / "saved_model.pb").stat().st_size / 1e6,
            **_price(path),
        }
        rows.append(
            Row(
                what=f"{network.name}, {name}",
                value=statistics.median(rates),
                unit="images/s",
                compared_with=IN_PROCESS,
                reference=statistics.median(limit),
                ratio=_ratio(rates, limit),
                promise=network.promises.get(name, ""),
                more=more,
            )
        )
    return rows


def _ratio(rates: Sequence[float], references: Sequence[float]) -> float:
    return statistics.median(rate / reference for rate, reference in zip(rates, references, strict=True))


def _price(model_base_path: Path) -> dict[str, float | None]:
    entry = _entry(model_base_path)
    if entry is None:
        return {}
    return {"psnr_db": entry.psnr_db, "ssim": entry.ssim, "max_abs": entry.max_abs, "seam": entry.seam,
            "levels": entry.levels}  # fmt: skip


def _entry(model_base_path: Path) -> VariantEntry | None:
    optimization = read_manifest(model_base_path / "1").optimization
    return optimization.variants[0] if optimization and optimization.variants else None


def table(rows: Sequence[Row]) -> str:
    """Lay out speed, size and price of every variant in Markdown."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for row in rows:
        network, variant = row.what.split(", ")
        more = row.more or {}
        price = ["", "", ""]  # float32 itself
        if "ssim" in more:
            psnr = "same" if more["psnr_db"] is None else f"{more['psnr_db']:.1f}"
            price = [psnr, f"{more['ssim']:.4f}", f"{more['max_abs']:.0f}"]
        figures = [f"{row.value:.2f}", f"{row.ratio:.2f}", f"{more['speedup_over_served_float32']:.2f}"]
        sizes = [f"{more[key]:.{digits}f}" for key, digits in _SIZES.items()]
        lines.append(f"| {' | '.join([network, variant, *figures, *sizes, *price])} |")
    return "\n".join(lines)


_COLUMNS = (
    "network", "variant", "images/s", "over float32 in process", "over float32 served", "ms a request", "memory MB",
    "file MB", "PSNR dB", "SSIM", "max of 255",
)  # fmt: skip
_SIZES = {"milliseconds_a_request": 0, "memory_mb": 0, "file_mb": 2}


def main() -> None:
    """Export, measure, write the rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.optimize", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--export", action="store_true", help="make the variants, measure nothing")
    parser.add_argument("--table", action="store_true", help="print the last results, measure nothing")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(read_rows(RESULTS / "optimize.json")))
        return
    unknown = sorted(set(arguments.networks) - set(NETWORKS))
    if unknown:
        sys.exit(f"There is no network {unknown[0]}; there are {', '.join(NETWORKS)}.")
    for name in arguments.networks or NETWORKS:
        network = NETWORKS[name]
        if not network.checkpoint.exists():
            print(f"{name} is left out: {network.checkpoint} is not there.")
            continue
        variants = export_variants(network)
        if not arguments.export:
            rows = rows_of(network, variants)
            merge_result("optimize", rows, rounds=ROUNDS, host=this_host().describe())
            print(as_table(rows), flush=True)


if __name__ == "__main__":
    main()
