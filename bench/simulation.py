"""
A month of pictures on this many servers, workers and objects: what it takes, what fills up first, what it costs.

    python -m bench.simulation [--pictures 1e9] [--model "photo style 256x256"] [--price-core-hour 0.04] ...

Every stage is a queue with a rate that was measured on one machine (:data:`MEASURED`, with where each figure is from),
times how many of it there are; so the answer is as good as the assumption that more of a stage does proportionally
more, which `bench.cluster_scaling` shows for one to four servers. Prices are arguments, because they are not ours.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields

from bench.results import Row, as_table, write_result

SECONDS_A_MONTH = 30 * 86400
#: Images a second of one core of the Model Server (`bench.server_peers`; a test holds them against what is published).
MODELS = {"almost nothing 64x64": 2000.0, "photo style 256x256": 12.8}


@dataclass(frozen=True)
class Measured:
    """What one of each thing does on the machine that the benches ran on."""

    client_cpu_s: float = 0.0008  #: of a worker, a picture of 256x256: 1,261 a CPU second in `bench.client_cost`
    plan_cpu_s: float = 0.000032  #: to list a picture and find it in the ledger as done: `bench.batch_scale`
    ledger_bytes: float = 750.0  #: of one line
    list_page: int = 1000  #: names that an object store gives at a time
    store_request_s: float = 0.05  #: latency of an object store
    store_requests_at_once: int = 64  #: of one worker process
    task_start_s: float = 3.0  #: from a free slot to the first line of the operator, on Celery
    scheduler_tasks_per_s: float = 8.0  #: that one scheduler starts and finishes


@dataclass(frozen=True)
class Prices:
    """Of a cloud, in its currency. The defaults are round numbers of the size that is usual in 2026."""

    core_hour: float = 0.04
    put_per_million: float = 5.0
    get_per_million: float = 0.4
    gigabyte_month: float = 0.023
    gigabyte_out: float = 0.0  #: of traffic between store and workers; 0 inside one region


@dataclass(frozen=True)
class Plan:
    """A month's work: this many trees a day, each a batch run of its own with a ledger of its own."""

    pictures: float
    images_per_core_s: float
    kilobytes_in: float = 30.0
    kilobytes_out: float = 110.0
    hours_a_day: float = 24.0
    trees_a_day: int = 100
    shards: int = 12

    @property
    def runs(self) -> int:
        """In the month."""
        return 30 * self.trees_a_day

    @property
    def pictures_a_second(self) -> float:
        """In the hours when there is work."""
        return self.pictures / (SECONDS_A_MONTH * self.hours_a_day / 24)

    @property
    def pictures_a_run(self) -> float:
        """In one tree."""
        return self.pictures / self.runs


@dataclass(frozen=True)
class Stage:
    """One part of the road, and how much of it the plan needs."""

    name: str
    needed: float
    unit: str
    limit: str  #: what it is that fills up


def stages(plan: Plan, measured: Measured) -> list[Stage]:
    """Return what the plan needs of each part."""
    rate, per_run = plan.pictures_a_second, plan.pictures_a_run
    requests_s = measured.store_requests_at_once / measured.store_request_s
    megabits_s = rate * (plan.kilobytes_in + plan.kilobytes_out) * 8 / 1e3
    tasks_s = plan.runs * (plan.shards + 2) / SECONDS_A_MONTH
    pages = math.ceil(per_run / measured.list_page)
    return [
        Stage("Model Server", rate / plan.images_per_core_s, "cores", "compute"),
        Stage("workers", rate * measured.client_cpu_s, "cores", "digests, base64, ledger"),
        Stage("objects", 2 * rate / requests_s, "worker processes", "latency of the store"),
        Stage("network of the workers", 2 * megabits_s / 1e3, "Gbit/s", "from the store, to the servers, and back"),
        Stage("listing", pages * measured.store_request_s, "s a shard", "pages in a row; each shard lists its tree"),
        Stage("looking up", per_run * measured.plan_cpu_s, "s a shard", "the ledger's index, in memory"),
        Stage("ledger", per_run * measured.ledger_bytes / 1e6, "MB a tree", "read whole at a run's start"),
        Stage("scheduler", 100 * tasks_s / measured.scheduler_tasks_per_s, "% of one", "tasks, not pictures"),
    ]


def costs(plan: Plan, measured: Measured, prices: Prices) -> dict[str, float]:
    """Return what the month costs, by what is paid for."""
    needed = {stage.name: stage.needed for stage in stages(plan, measured)}
    hours = SECONDS_A_MONTH / 3600 * plan.hours_a_day / 24
    pages = plan.runs * (plan.shards + 1) * math.ceil(plan.pictures_a_run / measured.list_page)
    gigabytes = plan.pictures * (plan.kilobytes_in + plan.kilobytes_out) / 1e6
    return {
        "Model Server's cores": math.ceil(needed["Model Server"]) * hours * prices.core_hour,
        "workers' cores": math.ceil(needed["workers"]) * hours * prices.core_hour,
        "writing and listing objects": (plan.pictures + pages) / 1e6 * prices.put_per_million,
        "reading objects": plan.pictures / 1e6 * prices.get_per_million,
        "keeping the results for a month": plan.pictures * plan.kilobytes_out / 1e6 * prices.gigabyte_month,
        "traffic": gigabytes * prices.gigabyte_out,
    }


def makespan(shares: Sequence[float], seconds_each: Sequence[float]) -> float:
    """
    How long a batch takes whose shards are taken in order by the next free worker.

    :param shares: of the shards.
    :param seconds_each: how long each worker alone would take for all pictures.
    """
    free_at = [0.0] * len(seconds_each)
    for share in shares:
        worker = min(range(len(free_at)), key=free_at.__getitem__)
        free_at[worker] += share * seconds_each[worker]
    return max(free_at)


def rows_of(plan: Plan, measured: Measured, prices: Prices) -> list[Row]:
    """Return what `main` prints, as rows."""
    rows = [Row(f"{one.name} ({one.limit})", round(one.needed, 4), one.unit) for one in stages(plan, measured)]
    paid = costs(plan, measured, prices)
    rows += [Row(f"cost of {name}", round(cost, 0), "a month") for name, cost in paid.items()]
    return [*rows, Row("cost of all", round(sum(paid.values()), 0), "a month")]


def _read_arguments() -> tuple[Plan, Measured, Prices]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=float, default=1e9)
    parser.add_argument("--model", choices=MODELS, default="photo style 256x256")
    parser.add_argument("--images-per-core-s", type=float, help="instead of --model: of your own")
    parts = (Plan, Measured, Prices)
    known = {field.name: field for part in parts for field in fields(part) if field.default is not MISSING}
    for name, field in known.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(field.default), default=field.default)
    given = vars(parser.parse_args())
    speed = given["images_per_core_s"] or MODELS[given["model"]]
    of_part = [{field.name: given[field.name] for field in fields(part) if field.name in known} for part in parts]
    return Plan(given["pictures"], speed, **of_part[0]), Measured(**of_part[1]), Prices(**of_part[2])


def main() -> None:
    rows = rows_of(*_read_arguments())
    write_result("simulation", rows)
    print(as_table(rows))


if __name__ == "__main__":
    main()
