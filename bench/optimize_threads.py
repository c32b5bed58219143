"""
Which threads a server of style networks should have: the same variant under several flags, in turns, in one run.

    python -m bench.optimize_threads NETWORK VARIANT      such as brush_strokes bfloat16
"""

from __future__ import annotations

import contextlib
import sys

from bench.optimize_networks import NETWORKS, golden_files, make_variants
from bench.results import Row, as_table, write_result
from tendies_ops.export.optimize.host import this_host
from tendies_ops.export.optimize.measuring import Load, find_load, one_round
from tendies_ops.export.optimize.trial_server import trial_server

ROUNDS = 5
BUDGET_S = 6.0  #: requests are so large that twelve take this long
DEFAULT = "the server's defaults"


def thread_flags(intra: int, inter: int) -> list[str]:
    return [f"--tensorflow_intra_op_parallelism={intra}", f"--tensorflow_inter_op_parallelism={inter}"]


def measure(name: str, variant: str) -> list[Row]:
    """Measure with a request in flight for each CPU, and with one alone."""
    host = this_host()
    base_path = make_variants(NETWORKS[name]).paths[variant]
    files = (golden_files(NETWORKS[name])[0].read_bytes(),)
    found = find_load(base_path, files, host, max_batch_size=4, budget_s=BUDGET_S)
    settings = {
        DEFAULT: thread_flags(0, 0),
        f"intra 1 and inter {host.cpus}": thread_flags(1, host.cpus),
        f"intra {host.cpus} and inter 1": thread_flags(host.cpus, 1),
        "intra 1 and inter 1": thread_flags(1, 1),
    }
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        servers = {key: stack.enter_context(trial_server(base_path, host, flags=f)) for key, f in settings.items()}
        for in_flight in (host.cpus, 1):
            load = Load(files, found.batch_size, in_flight)
            for server in servers.values():
                one_round(server, load)
            rounds = [{key: one_round(server, load) for key, server in servers.items()} for _ in range(ROUNDS)]
            rows += [
                Row.of_rounds(
                    f"{name} {variant}, {in_flight} x {load.batch_size} pictures in flight, {key}",
                    "images/s",
                    [(one[key].images_per_second, one[DEFAULT].images_per_second) for one in rounds],
                    compared_with=DEFAULT,
                )
                for key in settings
            ]
    return rows


def main() -> None:
    """Measure and write the rows."""
    name, variant = sys.argv[1:] or ("brush_strokes", "bfloat16")
    rows = measure(name, variant)
    write_result("optimize_threads", rows, rounds=ROUNDS, host=this_host().describe())
    print(as_table(rows))


if __name__ == "__main__":
    main()
