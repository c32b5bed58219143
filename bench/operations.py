"""
Where the CPU of one picture goes inside the network, operation by operation, in the variants of six networks.

    python -m bench.operations                 every network that is there
    python -m bench.operations brush_strokes   one

From TensorFlow's own trace of one picture of 256 x 256 in a session with one thread, so that what an operation takes
is what it costs. Variants take turns, trace by trace; an operation's time is the median of its traces. Operations are
named as they run, after TensorFlow's own optimiser: ``_FusedConv2D`` is a convolution with bias or activation in it.
A precision that the host has no instructions for is left out: what its emulation takes is of no use.
"""

from __future__ import annotations

import argparse
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.optimize_networks import FLOAT32, NETWORKS, Network, golden_files, make_variants
from bench.results import Row, as_table, merge_result, write_result
from tendies_ops.export.optimize.host import this_host
from tendies_ops.export.optimize.precisions import PRECISIONS, worth_trying

ROUNDS = 5
SHOWN = 0.01  #: share of float32's time below which an operation goes to the others
OTHERS = "all others"
_CALLS = frozenset({"While", "PartitionedCall", "StatefulPartitionedCall", "If", "_SOURCE", "NoOp", "Const"})
_Traced = Counter[str]


def tracer(saved_model_dir: Path, picture: bytes) -> Callable[[], _Traced]:
    """Load a variant; each call traces one picture and gives the microseconds of each operation's kind."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    config = tf1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    session = tf1.Session(graph=tf.Graph(), config=config)
    with session.graph.as_default():
        signature = tf1.saved_model.load(session, ["serve"], str(saved_model_dir)).signature_def["serving_default"]
    feed = {signature.inputs["input_bytes"].name: np.array([picture], object)}
    fetch = signature.outputs["output_bytes"].name
    session.run(fetch, feed)

    def trace() -> _Traced:
        told = tf1.RunMetadata()
        session.run(fetch, feed, options=tf1.RunOptions(trace_level=tf1.RunOptions.FULL_TRACE), run_metadata=told)
        return sum_up(_labels(told))

    return trace


def _labels(told: Any) -> Iterator[tuple[str, int]]:
    for device in told.step_stats.dev_stats:
        for node in device.node_stats:
            yield node.timeline_label, node.op_end_rel_micros - node.op_start_rel_micros


def sum_up(labels_and_us: Iterator[tuple[str, int]]) -> _Traced:
    """Add up by kind (``Conv2D``) of labels such as ``a = Conv2D(b, c)``; calls last as long as what is in them."""
    spent: _Traced = Counter()
    for label, elapsed_us in labels_and_us:
        kind = label.partition(" = ")[2].partition("(")[0].removeprefix("_Mkl").removeprefix("_Native")
        if kind and kind.removeprefix("Native") not in _CALLS:
            spent[kind.removeprefix("Native")] += elapsed_us
    return spent


def rows_of(network: Network, *, rounds: int = ROUNDS) -> list[Row]:
    """One row a variant and kind of operation, the largest first, next to all of float32's."""
    picture = golden_files(network)[0].read_bytes()
    skipped = PRECISIONS.keys() - set(worth_trying(this_host())[0])
    paths = {name: path for name, path in make_variants(network).paths.items() if name not in skipped}
    tracers = {name: tracer(path / "1", picture) for name, path in paths.items()}
    traced: dict[str, list[_Traced]] = {name: [] for name in tracers}
    for _ in range(rounds):
        for name, trace in tracers.items():
            traced[name].append(trace())
    whole = [one.total() / 1000 for one in traced[FLOAT32]]
    return [row for name in traced for row in _rows(f"{network.name}, {name}", traced[name], whole)]


def _rows(what: str, traced: Sequence[_Traced], whole_ms: Sequence[float]) -> list[Row]:
    least_us = 1000 * SHOWN * statistics.median(whole_ms)
    medians = {kind: statistics.median(one[kind] for one in traced) for one in traced for kind in one}
    shown = sorted((kind for kind, us in medians.items() if us >= least_us), key=lambda kind: -medians[kind])
    others = [sum(us for kind, us in one.items() if kind not in shown) for one in traced]
    columns: Mapping[str, Sequence[float]] = {
        **{kind: [one[kind] for one in traced] for kind in shown},
        OTHERS: others,
    }
    whole = "the whole picture"
    rounds_ms = [(one.total() / 1000, ms) for one, ms in zip(traced, whole_ms, strict=True)]
    return [
        Row.of_rounds(f"{what}, {whole}", "ms", rounds_ms, compared_with=f"{FLOAT32}, {whole}"),
        *(Row(f"{what}, {kind}", statistics.median(column) / 1000, "ms") for kind, column in columns.items()),
    ]


def main() -> None:
    """Trace the networks, write the rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.operations", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    write = merge_result if arguments.networks else write_result
    rows: list[Row] = []
    for name in arguments.networks or NETWORKS:
        if not NETWORKS[name].checkpoint.exists():
            print(f"{name} is left out: {NETWORKS[name].checkpoint} is not there.")
            continue
        found = rows_of(NETWORKS[name], rounds=arguments.rounds)
        rows += found
        write("operations", rows, rounds=arguments.rounds, host=this_host().describe())
        print(as_table(found), flush=True)


if __name__ == "__main__":
    main()
