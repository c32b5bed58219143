"""
A whole batch run against the embedded Model Server: files in, files out, with ledger, renames, plan and report.

    python -m bench.batch_end_to_end [nothing style stripes cyclegan] [--rounds 3]

It takes turns with what it is compared with: the same server, driven with one ready-made body over two connections, and
TensorFlow in process, which decodes, computes and encodes the same pictures and does nothing else. Files are in memory.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.batch_scale import many_names
from bench.closed_loop import SHARED_EVENLY, requests_in
from bench.contenders import Contender, Server, start_contenders
from bench.results import Row, as_table, write_result
from bench.workloads import MAKERS, MODEL_NAME, Workload, make_workloads
from tendies_ops.inference import BatchOptions, run_batch

LANES = 2
SECONDS = 3.0  # of one turn, about


def measure(workload: Workload, rounds: int, folder: Path) -> list[Row]:
    with ExitStack() as stack:
        contenders = start_contenders(stack, workload, (), lanes=LANES)
        server = next(contender for contender in contenders if isinstance(contender, Server))
        warm = [rate_of(contender, SHARED_EVENLY) for contender in contenders]
        requests = requests_in(SECONDS, max(warm), workload.batch_size)
        picture = folder / "picture"
        picture.write_bytes(workload.picture)
        many_names(picture, folder / "in", max(64, int(SECONDS * max(warm))))
        run_rate(server, folder, "warm")
        turns = [
            (run_rate(server, folder, str(number)), [rate_of(contender, requests) for contender in contenders])
            for number in range(rounds)
        ]
    ours = statistics.median(rate for rate, _ in turns)
    return [_row(workload, contender, ours, [(rate, others[index]) for rate, others in turns])
            for index, contender in enumerate(contenders)]  # fmt: skip


def rate_of(contender: Contender, requests: int) -> float:
    return requests * contender.workload.batch_size / contender.work(requests)


def run_rate(server: Server, folder: Path, name: str) -> float:
    """Pictures a second of a whole run, from its start to its report."""
    output = folder / name
    report = run_batch(
        BatchOptions(
            input=str(folder / "in"),
            output=str(output),
            model_name=MODEL_NAME,
            servers=(f"http://127.0.0.1:{server.port}",),
            max_batch_size=server.workload.batch_size,
        )
    )
    if report.failed:
        raise RuntimeError(f"{report.failed} pictures failed: {report.failures[0].reason}")
    shutil.rmtree(output)
    return report.done / report.elapsed_s


def _row(workload: Workload, contender: Contender, ours: float, pairs: list[tuple[float, float]]) -> Row:
    return Row(
        f"a batch run, {workload.title}",
        round(ours, 1),
        "images/s",
        contender.title + (", one body again and again" if isinstance(contender, Server) else ""),
        round(statistics.median(theirs for _, theirs in pairs), 1),
        round(statistics.median(mine / theirs for mine, theirs in pairs), 3),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["nothing", "style"], metavar="NAME", help=", ".join(MAKERS))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for workload in make_workloads(tuple(arguments.workloads)):
        work = Path(tempfile.mkdtemp(prefix="tendies-run-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        try:
            rows += measure(workload, arguments.rounds, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    write_result("batch_end_to_end", rows, rounds=arguments.rounds)
    print(as_table(rows))


if __name__ == "__main__":
    main()
