"""
What optimised versions bring and what they cost, network by network: all variants and float32 take turns in one run.

    python -m bench.optimize                  every network that is there
    python -m bench.optimize brush_strokes    one
    python -m bench.optimize --rounds 1       a look whether all of them can be made and served

The reference is TensorFlow in this process with the plain float32 export: two requests at a time, one thread an
operation. Every variant answers through the embedded Model Server, float32 too, a request in flight for each CPU.
Each also meets the graph as it was frozen, in fine turns and by CPU time (`bench.optimize_pairs`), which a machine that
is not quiet disturbs least.
Prices are the worst of four photographs (of noise pictures for noise_to_stripes), against float32's answers.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.optimize_networks import FLOAT32, FROZEN, NETWORKS, Made, Network, golden_files, make_variants
from bench.optimize_pairs import Pairs, compare_in_servers
from bench.results import Row, as_table, merge_result, write_result
from tendies_ops.export.optimize.choice import choose
from tendies_ops.export.optimize.host import Host, this_host
from tendies_ops.export.optimize.measuring import Load, Predictor, Round, find_load, one_round
from tendies_ops.export.optimize.pixel_gate import PixelPrice, objection, price_of, worst_of
from tendies_ops.export.optimize.trial_server import trial_server
from tendies_ops.spec.manifest import VariantEntry

ROUNDS = 6
PAIRS_S = 8.0  #: how long a variant and what was frozen meet in fine turns, for each round, by servers started again
BUDGET_S = 6.0  #: requests are so large that twelve take this long
SLOW_S = 1.0  #: a round holds one request for each place in flight where a picture takes longer than this
IN_PROCESS = "float32 in process"
SERVED = "float32 served"
FROZEN_SERVED = "as frozen, served"


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
    answers: dict[str, list[bytes]]  #: of the golden pictures
    paired: dict[str, Pairs]  #: with the graph as it was frozen; float32 only where it is another one

    def rates(self, name: str, reference: str = FLOAT32) -> list[tuple[float, float]]:
        """Images per second of both, round by round."""
        return [(one[name].images_per_second, one[reference].images_per_second) for one in self.rounds]

    def speedups(self, name: str) -> list[float]:
        """To float32 served, round by round."""
        return [own / served for own, served in self.rates(name)]

    def price(self, name: str) -> PixelPrice:
        """Against float32, of the worst golden picture."""
        pairs = zip(self.answers[FLOAT32], self.answers[name], strict=True)
        return worst_of([price_of(*pair) for pair in pairs])


def measure(network: Network, variants: dict[str, Path], *, rounds: int) -> Measured:
    """
    Let all contenders take turns, in another order each round.

    :param variants: name -> model base path; the first is the plain export.
    """
    host, plain = this_host(), variants[FLOAT32]
    golden = [path.read_bytes() for path in golden_files(network)]
    load = _load_of(network, plain, host)
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(trial_server(path, host)) for name, path in variants.items()}
        answers = {name: _answer_each(server, golden, host.cpus) for name, server in servers.items()}
        contenders: dict[str, Predictor] = {IN_PROCESS: InProcess(plain / "1", cpus=host.cpus), **servers}
        warmups = [one_round(contender, replace(load, requests_each=1)) for contender in contenders.values()]
        if warmups[1].request_s[0] / load.batch_size > SLOW_S:
            load = replace(load, requests_each=1)
        turns = [_in_turns(contenders, load, first=number % len(contenders)) for number in range(rounds)]
        memory = {name: server.memory_bytes for name, server in servers.items()}
    return Measured(turns, load, memory, answers, _paired(variants, host, load, rounds=rounds))


def _load_of(network: Network, plain: Path, host: Host) -> Load:
    picture = golden_files(network)[0].read_bytes()
    batch_size = network.spec.batch.max_batch_size
    return find_load(plain, (picture,), host, max_batch_size=batch_size, budget_s=BUDGET_S)


def _paired(variants: dict[str, Path], host: Host, load: Load, *, rounds: int) -> dict[str, Pairs]:
    frozen = variants.get(FROZEN, variants[FLOAT32])
    return {
        name: compare_in_servers(path, frozen, host, load, budget_s=PAIRS_S * rounds, starts=rounds)
        for name, path in variants.items()
        if name != FROZEN and path != frozen
    }


def _answer_each(server: Predictor, golden: Sequence[bytes], cpus: int) -> list[bytes]:
    with ThreadPoolExecutor(cpus) as senders:
        return list(senders.map(lambda file: server.predict([file])[0], golden))


def _in_turns(contenders: dict[str, Predictor], load: Load, *, first: int) -> dict[str, Round]:
    names = [*list(contenders)[first:], *list(contenders)[:first]]
    return {name: one_round(contenders[name], load) for name in names}


def rows_of(network: Network, made: Made, *, rounds: int = ROUNDS) -> list[Row]:
    """One row a variant, with its price; then what is promised of the variants and of ``auto``."""
    measured = measure(network, made.paths, rounds=rounds)
    rows = [
        Row.of_rounds(
            f"{network.name}, {name}",
            "images/s",
            measured.rates(name, IN_PROCESS),
            compared_with=IN_PROCESS,
            more=_figures(measured, name, path),
        )
        for name, path in made.paths.items()
    ]
    return [*rows, *_paired_rows(network, made, measured), _auto_row(network, made, measured)]


def _paired_rows(network: Network, made: Made, measured: Measured) -> list[Row]:
    """How the variants are served next to the graph as it was frozen, in fine turns, and how far float32 is off."""
    rows = [
        pairs.as_row(
            f"{network.name}, {name} served", compared_with=FROZEN_SERVED, promise=network.promises.get(name, "")
        )
        for name, pairs in measured.paired.items()
    ]
    if FROZEN in made.paths:
        far = made.far_from_source(measured.answers[FLOAT32])
        what = f"{network.name}, float32's largest difference from the source"
        rows.append(Row(what, far, "of 255", promise="<= 1 of 255"))
    return rows


def _auto_row(network: Network, made: Made, measured: Measured) -> Row:
    """Let ``auto``'s own rule choose by every other round, of what it tries on this host; the rounds between judge."""
    seen = replace(measured, rounds=measured.rounds[::2])
    unseen = replace(measured, rounds=measured.rounds[1::2] or measured.rounds)
    entries = [_entry(network, made, seen, name) for name in made.paths if name != FROZEN]
    chosen, why = choose(entries, min_gain=network.spec.optimize.min_gain)
    row = _served_row(f"{network.name}, what auto takes", unseen, chosen, ">= 0.98")
    return replace(row, more={**(row.more or {}), "taken": chosen, "why": why})


def _entry(network: Network, made: Made, measured: Measured, name: str) -> VariantEntry:
    price = measured.price(name)
    why_not = objection(price, network.spec.optimize)
    return VariantEntry(
        name=name,
        passed=not why_not,
        why_not=why_not,
        size_bytes=_size_bytes(made.paths[name]),
        speedup=statistics.median(measured.speedups(name)),
        **asdict(price),
    )


def _served_row(what: str, measured: Measured, name: str, promise: str) -> Row:
    speedups = measured.speedups(name)
    more = {"least_ratio": min(speedups), "largest_ratio": max(speedups)}
    rates = measured.rates(name)
    return Row.of_rounds(what, "images/s", rates, compared_with=SERVED, promise=promise, more=more)


def _size_bytes(base_path: Path) -> int:
    return (base_path / "1" / "saved_model.pb").stat().st_size


def _figures(measured: Measured, name: str, base_path: Path) -> dict[str, Any]:
    load, speedups = measured.load, measured.speedups(name)
    return {
        "speedup_over_served_float32": statistics.median(speedups),
        "least_ratio": min(speedups),
        "largest_ratio": max(speedups),
        "milliseconds_a_request": 1000 * statistics.median(s for one in measured.rounds for s in one[name].request_s),
        "batch_size": load.batch_size,
        "requests_in_flight": load.in_flight,
        "rounds": len(measured.rounds),
        "memory_mb": measured.memory_bytes[name] / 1e6,
        "file_mb": _size_bytes(base_path) / 1e6,
        **asdict(measured.price(name)),
    }


def main() -> None:
    """Make the variants, measure, write the rows."""
    parser = argparse.ArgumentParser(prog="python -m bench.optimize", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each network")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.networks) - set(NETWORKS))
    if unknown:
        sys.exit(f"There is no network {unknown[0]}; there are {', '.join(NETWORKS)}.")
    write = merge_result if arguments.networks else write_result
    rows: list[Row] = []
    for name in arguments.networks or NETWORKS:
        network = NETWORKS[name]
        if not network.checkpoint.exists():
            print(f"{name} is left out: {network.checkpoint} is not there.")
            continue
        found = rows_of(network, make_variants(network), rounds=arguments.rounds)
        rows += found
        write("optimize", rows, rounds=arguments.rounds, host=this_host().describe())
        print(as_table(found), flush=True)


if __name__ == "__main__":
    main()
