"""
Whether more servers do more, and what splitting a batch costs.

    python -m bench.cluster_scaling [--pictures 1600] [--planned 10000]

The servers sleep instead of computing, one request at a time each, so two cores are enough to see what the client makes
of one, two and four of them: in one run that spreads its requests, and in a batch of shards in four processes. The last
row is what listing the folder once for the plan, and putting ledgers and reports together at the end, take of a sharded
batch of 10,000 pictures on four such servers.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.results import Row, as_table, write_result
from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.inference.several_runs.sharded_run import ShardPlan, finish_shards, plan_shards
from tests.support.canned_server import CannedModel, CannedServer
from tests.support.sample_pictures import png

FORKING = multiprocessing.get_context("fork")
BATCH = 8
REQUEST_S = 0.1
WORKERS = 4
PROMISES = {2: ">= 1.8", 4: ">= 3.2"}


@contextmanager
def sleeping_servers(count: int) -> Iterator[tuple[str, ...]]:
    """Servers in processes of their own, each at one request at a time; their URLs."""
    queue = FORKING.SimpleQueue()
    processes = [FORKING.Process(target=_serve, args=(queue,), daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield tuple(queue.get() for _ in processes)
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _serve(queue: Any) -> None:
    one_at_a_time = threading.Lock()

    def sleep(_: object) -> None:
        with one_at_a_time:
            time.sleep(REQUEST_S)

    with CannedServer(CannedModel(lambda file: file, fault=sleep)) as server:
        queue.put(server.url)
        threading.Event().wait()


def fill(folder: Path, count: int) -> None:
    data = png(1, (64, 64))
    for number in range(count):
        path = folder / f"{number // 1000:03}" / f"{number % 1000:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def options_for(work: Path, name: str, servers: tuple[str, ...], **more: Any) -> BatchOptions:
    return BatchOptions(
        input=str(work / "in"), output=str(work / name), model_name="m", servers=servers, max_batch_size=BATCH,
        provenance=False, allow_empty=True, **more,
    )  # fmt: skip


@dataclass(frozen=True)
class Sharded:
    """A batch in shards, and where its time went."""

    plan: ShardPlan
    plan_s: float
    shards_s: float
    finish_s: float

    @property
    def whole_s(self) -> float:  # noqa: D102
        return self.plan_s + self.shards_s + self.finish_s


def run_sharded(work: Path, name: str, servers: tuple[str, ...]) -> Sharded:
    """As the task group does it: plan, shards in as many processes as there are workers, finish."""
    whole = options_for(work, name, servers)
    times = [time.monotonic()]
    plan = plan_shards(whole, max_shards=WORKERS, pictures_per_shard=len(servers) * 20)
    times.append(time.monotonic())
    with ProcessPoolExecutor(WORKERS, mp_context=FORKING) as pool:
        runs = [
            pool.submit(_run_shard, options_for(work, name, servers, shard=(n, plan.shards), shard_slots=plan.slots))
            for n in range(plan.shards)
        ]
        summaries = [run.result() for run in runs]
    times.append(time.monotonic())
    report = finish_shards(whole, plan, summaries)
    times.append(time.monotonic())
    assert report.done == plan.pictures, report
    plan_s, shards_s, finish_s = (after - before for before, after in itertools.pairwise(times))
    return Sharded(plan, plan_s, shards_s, finish_s)


def _run_shard(options: BatchOptions) -> dict[str, Any]:
    return run_batch(options).summary()


def scaling_rows(work: Path, pictures: int) -> list[Row]:
    rates: dict[str, dict[int, float]] = {"one run": {}, "shards in 4 processes": {}}
    for servers in (1, 2, 4):
        with sleeping_servers(servers) as urls:
            rates["one run"][servers] = run_batch(options_for(work, f"one-{servers}", urls)).images_per_second
            sharded = run_sharded(work, f"shards-{servers}", urls)
            rates["shards in 4 processes"][servers] = pictures / sharded.shards_s
    return [_scaling_row(how, servers, of) for how, of in rates.items() for servers in of]


def _scaling_row(how: str, servers: int, rates: dict[int, float]) -> Row:
    what = f"{how}, {servers} server{'s' * (servers > 1)}"
    alone, rate = round(rates[1], 1), round(rates[servers], 1)
    return Row(what, rate, "images/s", "1 server", alone, round(rate / alone, 3), PROMISES.get(servers, ""))


def overhead_rows(work: Path, pictures: int) -> list[Row]:
    with sleeping_servers(4) as urls:
        batch = run_sharded(work, "overhead", urls)
    both_s = batch.plan_s + batch.finish_s
    what = f"plan and merge of {pictures:,} pictures in {batch.plan.shards} shards"
    more = {"plan_s": round(batch.plan_s, 3), "merge_s": round(batch.finish_s, 3)}
    ratio = round(both_s / batch.whole_s, 4)
    return [Row(what, round(both_s, 3), "s", "the whole batch", round(batch.whole_s, 1), ratio, "<= 0.02", more)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1600)
    parser.add_argument("--planned", type=int, default=10_000)
    arguments = parser.parse_args()
    rows: list[Row] = []
    for measure, count in ((scaling_rows, arguments.pictures), (overhead_rows, arguments.planned)):
        work = Path(tempfile.mkdtemp(prefix="tendies-scaling-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        try:
            fill(work / "in", count)
            rows += measure(work, count)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    write_result("cluster_scaling", rows, request_s=REQUEST_S, pictures_a_request=BATCH)
    print(as_table(rows))


if __name__ == "__main__":
    main()
