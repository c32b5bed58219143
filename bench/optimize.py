"""
What optimised versions bring and what they cost, network by network: all variants and float32 take turns in one run.

    python -m bench.optimize                  every network that is there
    python -m bench.optimize brush_strokes    one
    python -m bench.optimize --table          the table of docs/explanation/optimised-versions.md, from the last results

The reference is TensorFlow in this process with the plain float32 export: two requests at a time, one thread an
operation. Every variant answers through the embedded Model Server, float32 too, a request in flight for each CPU.
Prices are the worst of four photographs (of noise pictures for noise_to_stripes), against float32's answers.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.optimize_networks import NETWORKS, Network, golden_files, make_variants
from bench.results import RESULTS, Row, as_table, merge_result, read_rows
from tendies_ops.export.optimize.host import this_host
from tendies_ops.export.optimize.measuring import Load, Predictor, Round, find_load, one_round
from tendies_ops.export.optimize.pixel_gate import PixelPrice, price_of, worst_of
from tendies_ops.export.optimize.trial_server import trial_server

ROUNDS = 5
BUDGET_S = 9.0  #: requests are so large that twelve take this long
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


@dataclass(frozen=True)
class Measured:
    """Everything about one network's variants."""

    rounds: list[dict[str, Round]]
    load: Load
    memory_bytes: dict[str, int]
    prices: dict[str, PixelPrice]

    def rates(self, name: str, reference: str) -> list[tuple[float, float]]:
        """Images per second of both, round by round."""
        return [(one[name].images_per_second, one[reference].images_per_second) for one in self.rounds]


def measure(network: Network, variants: dict[str, Path]) -> Measured:
    """
    Let all contenders take turns, in another order each round.

    :param variants: name -> model base path; the first is the plain export.
    """
    host = this_host()
    plain = next(iter(variants.values()))
    golden = [path.read_bytes() for path in golden_files(network)]
    batch_size = network.spec.batch.max_batch_size
    load = find_load(plain, (golden[0],), host, max_batch_size=batch_size, budget_s=BUDGET_S)
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(trial_server(path, host)) for name, path in variants.items()}
        answers = {name: [server.predict([file])[0] for file in golden] for name, server in servers.items()}
        contenders: dict[str, Predictor] = {IN_PROCESS: InProcess(plain / "1", cpus=host.cpus), **servers}
        for contender in contenders.values():
            one_round(contender, load)
        rounds = []
        for number in range(ROUNDS):
            first = number % len(contenders)
            names = [*list(contenders)[first:], *list(contenders)[:first]]
            rounds.append({name: one_round(contenders[name], load) for name in names})
        memory = {name: server.memory_bytes for name, server in servers.items()}
    reference = answers[next(iter(variants))]
    prices = {
        name: worst_of([price_of(*pair) for pair in zip(reference, got, strict=True)]) for name, got in answers.items()
    }
    return Measured(rounds, load, memory, prices)


def rows_of(network: Network, variants: dict[str, Path]) -> list[Row]:
    """One row a variant, with its price."""
    measured = measure(network, variants)
    plain = next(iter(variants))
    return [
        Row.of_rounds(
            f"{network.name}, {name}",
            "images/s",
            measured.rates(name, IN_PROCESS),
            compared_with=IN_PROCESS,
            promise=network.promises.get(name, ""),
            more=_figures(measured, name, path, plain=plain),
        )
        for name, path in variants.items()
    ]


def _figures(measured: Measured, name: str, base_path: Path, *, plain: str) -> dict[str, Any]:
    load = measured.load
    return {
        "speedup_over_served_float32": statistics.median(own / served for own, served in measured.rates(name, plain)),
        "milliseconds_a_request": 1000 * statistics.median(s for one in measured.rounds for s in one[name].request_s),
        "batch_size": load.batch_size,
        "requests_in_flight": load.in_flight,
        "memory_mb": measured.memory_bytes[name] / 1e6,
        "file_mb": (base_path / "1" / "saved_model.pb").stat().st_size / 1e6,
        **asdict(measured.prices[name]),
    }


def table(rows: Sequence[Row]) -> str:
    """Lay out speed, size and price of every variant in Markdown."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    for row in rows:
        network, variant = row.what.split(", ")
        more = row.more or {}
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
    """Make the variants, measure, write the rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.optimize", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS))
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
        rows = rows_of(network, make_variants(network))
        merge_result("optimize", rows, rounds=ROUNDS, host=this_host().describe())
        print(as_table(rows), flush=True)


if __name__ == "__main__":
    main()
