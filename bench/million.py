"""
What a million small pictures cost: four embedded servers, eight shards at a time on two Celery workers, one DAG run.

    python -m bench.million [--pictures 1000000] [--place FOLDER]

Everything is the installation of ``make test-cluster`` (PostgreSQL, Redis, scheduler, API server, triggerer, workers),
with TensorFlow in the servers: 32x32 PNG files through a network that does almost nothing. Then the same DAG runs once
more and finds nothing to do. A run that was stopped goes on where it was when the same ``--place`` is given.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.results import Row, as_table, write_result
from bench.year_of_partitions import megabytes
from tests.cluster.installation import MODEL_NAME, Installation
from tests.cluster.processes import Process
from tests.support.airflow import LiveAirflow
from tests.support.candidates import picture

KINDS = 40  #: this many different pictures, so that each answer can be compared
SIZE = 32
LOOK_S = 5.0
LIMIT_S = 6 * 3600.0
CHECKED = 2_000
_MIB = 1 << 20
_SPEC = f"""\
model_name: {MODEL_NAME}
source: {{kind: keras, checkpoint: nothing.keras}}
contract:
  input: {{size: {{height: {SIZE}, width: {SIZE}}}}}
"""
_DAG = """\
from airflow.sdk import DAG

from tendies_ops.operators.shards import batch_inference_group

with DAG("million", schedule=None):
    batch_inference_group(
        input_path={input!r}, output_path={output!r}, model_name={model!r}, shards=8, pictures_per_shard=20_000,
        max_batch_size=64, pool="default_pool", retries=2,
    )
"""


class FourServers(Installation):
    """The installation of the tests, with a fourth server, and TensorFlow in all of them."""

    servers = 4
    serve = (str(Path(sys.executable).parent / "tendies"), "serve")


@dataclass
class Costs:
    """What a DAG run takes, by groups of processes, looked at from time to time."""

    groups: dict[str, list[Process]]
    run_s: float = 0.0
    cpu_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    peak_mib: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def look(self) -> None:
        """Note each group's CPU time, that of its ended children included, and its largest process so far."""
        for name, processes in self.groups.items():
            family = [one for process in processes for one in _family(process)]
            self.cpu_s[name] = max(self.cpu_s[name], sum(cpu for cpu, _ in family))
            self.peak_mib[name] = max([self.peak_mib[name], *(mib for _, mib in family)])


def _family(process: Process) -> Iterable[tuple[float, float]]:
    """Yield CPU seconds and resident MiB of a process and of all below it."""
    if process.running is None:
        return
    try:
        parent = psutil.Process(process.running.pid)
        for one in (parent, *parent.children(recursive=True)):
            times = one.cpu_times()
            cpu_s = times.user + times.system + times.children_user + times.children_system
            yield cpu_s, one.memory_info().rss / _MIB
    except psutil.NoSuchProcess:
        return


def groups_of(cluster: Installation) -> dict[str, list[Process]]:
    """Return the processes whose costs are told apart."""
    workers = [process for name, process in cluster.airflow.items() if name.startswith("worker")]
    others = [process for name, process in cluster.airflow.items() if not name.startswith("worker")]
    assert cluster.postgres is not None
    return {"workers": workers, "Model Servers": cluster.model_servers, "Airflow and its stores":
            [*others, cluster.redis, cluster.postgres.process]}  # fmt: skip


def write_pictures(folder: Path, count: int) -> None:
    """Write what is not there yet, a thousand to a folder."""
    kinds = [picture(kind, size=SIZE) for kind in range(KINDS)]
    for first in range(0, count, 1000):
        part = folder / f"{first // 1000:04}"
        if part.is_dir() and len(os.listdir(part)) == min(1000, count - first):
            continue
        part.mkdir(parents=True, exist_ok=True)
        for number in range(first, min(count, first + 1000)):
            (part / f"{number % 1000:03}.png").write_bytes(kinds[number % KINDS])


def export(folder: Path) -> Path:
    """Export the network, once."""
    version = folder / "version"
    if not (version / "saved_model.pb").is_file():
        import keras

        from tendies_ops.export import export_model
        from tendies_ops.spec import load_spec

        image = keras.Input((SIZE, SIZE, 3))
        keras.Model(image, keras.layers.Rescaling(0.5)(image)).save(folder / "nothing.keras")
        (folder / "model.yaml").write_text(_SPEC, encoding="utf-8")
        export_model(load_spec(folder / "model.yaml"), version)
    return version


def run_dag(airflow: LiveAirflow, costs: Costs) -> dict[str, Any]:
    """Run the DAG to its end, note what it takes, and return what the batch reported."""
    started_s, run_id = time.monotonic(), airflow.trigger("million")
    while time.monotonic() - started_s < LIMIT_S:
        costs.look()
        costs.run_s = time.monotonic() - started_s
        state = airflow.call("GET", f"/dags/million/dagRuns/{run_id}")["state"]
        if state in {"success", "failed"}:
            assert state == "success", f"{run_id} {state}"
            report: dict[str, Any] = airflow.xcom("million", run_id, "batch.report")
            return report
        time.sleep(LOOK_S)
    raise TimeoutError(f"{run_id} has not ended within {LIMIT_S:.0f} s")


def check(folder: Path, count: int) -> None:
    """Compare the ledgers with the pictures: each once; and the pixels of some of the outputs."""
    from PIL import Image

    results = folder / "results"
    lines = (json.loads(line) for path in (results / ".tendies").glob("ledger*.jsonl") for line in path.open())
    done = Counter(line["input"] for line in lines if line["outcome"] == "done")
    assert len(done) == count, f"{len(done)} of {count} pictures are in the ledger"
    assert set(done.values()) == {1}, "a picture was processed twice"
    for number in random.Random(1).sample(range(count), min(CHECKED, count)):
        name = f"{number // 1000:04}/{number % 1000:03}.png"
        with Image.open(results / name) as made, Image.open(folder / "pictures" / name) as given:
            pairs = zip(made.convert("RGB").tobytes(), given.convert("RGB").tobytes(), strict=True)
            assert all(abs(after - before / 2) <= 1 for after, before in pairs), name


def rows_of(count: int, first: Costs, second: Costs, state_mb: float) -> list[Row]:
    """Lay out what was measured."""
    whole, again = f"{count:,} pictures", f"{count:,} pictures, all done before"
    rows = [Row(whole, round(first.run_s), "s"), Row(whole, round(count / first.run_s, 1), "pictures/s")]
    for name in first.groups:
        rows += [
            Row(f"{whole}, {name}", round(first.cpu_s[name]), "s of CPU"),
            Row(f"{whole}, {name}, largest process", round(first.peak_mib[name]), "MiB"),
        ]
    rows += [
        Row(f"{whole}, ledger and run folders", round(state_mb), "MB"),
        Row(again, round(second.run_s), "s", whole, round(first.run_s), round(second.run_s / first.run_s, 3)),
        Row(f"{again}, workers", round(second.cpu_s["workers"] - first.cpu_s["workers"]), "s of CPU"),
    ]
    return rows


def measure(place: Path, count: int) -> list[Row]:
    """Run the DAG twice and check what it left."""
    write_pictures(place / "pictures", count)
    version = export(place)
    home = Path(tempfile.mkdtemp(prefix="installation-", dir=place)) / "home"
    cluster = FourServers(home)
    shutil.copytree(version, cluster.models / MODEL_NAME / "1")
    folders = {"input": str(place / "pictures"), "output": str(place / "results"), "model": MODEL_NAME}
    (home / "home" / "dags" / "million.py").write_text(_DAG.format(**folders), encoding="utf-8")
    with cluster:
        airflow = cluster.live()
        cluster.restart_as_shipped()
        airflow.wait_for_dag("million")
        first, second = Costs(groups_of(cluster)), Costs(groups_of(cluster))
        report = run_dag(airflow, first)
        print(f"{report['done']:,} processed, {report['skipped']:,} done before, in {first.run_s:.0f} s", flush=True)
        again = run_dag(airflow, second)
        assert (again["done"], again["skipped"]) == (0, count), again
    check(place, count)
    return rows_of(count, first, second, megabytes(place / "results" / ".tendies"))


def main() -> None:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--place", type=Path, help="kept for a later run to go on; a folder of its own if not given")
    arguments = parser.parse_args()
    place = arguments.place or Path(tempfile.mkdtemp(prefix="tendies-million-"))
    place.mkdir(exist_ok=True)
    try:
        rows = measure(place.resolve(), arguments.pictures)
    finally:
        if arguments.place is None:
            shutil.rmtree(place, ignore_errors=True)
    write_result("million", rows, pictures=arguments.pictures)
    print(as_table(rows))


if __name__ == "__main__":
    main()
