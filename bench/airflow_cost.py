"""
What Airflow costs around a batch: the same folder by a run of the batch DAG and by `tendies batch`, in turns.

    python -m bench.airflow_cost [--rounds 3] [--pictures 256]

A real Airflow (`airflow standalone`, SQLite) in a directory of its own, the embedded Model Server, and a network that
does almost nothing. The server's clock tells when the first request came and the last answer went; Airflow's database
tells when the task started and was green. What a DAG file costs its parser is measured in fresh processes, over a bare
DAG that is parsed before it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from bench.batch_scale import many_names
from bench.profile import ProfiledServer, profiled_server
from bench.results import Row, as_table, write_result
from bench.workloads import CHECKOUT, MODEL_NAME, make_workloads
from tests.support.airflow import LiveAirflow, start_airflow

DAG_ID, TASK_ID = f"tendies_batch_{MODEL_NAME}", "infer"
MOST_PARSE_S = 0.4  # CPU, over a bare DAG: what the project promises of each DAG file
COMMAND = "`tendies batch`"
BARE_DAG = """
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, BaseOperator, CronTriggerTimetable, Param
with DAG("bare", schedule=[Asset("a")], params={"p": Param(1)}):
    BaseOperator(task_id="t")
"""
PARSE = """
import airflow.sdk, runpy, sys, time
runpy.run_path(sys.argv[1])
started_s = time.process_time()
runpy.run_path(sys.argv[2])
print(time.process_time() - started_s)
"""


@dataclass(frozen=True)
class Times:
    """
    One batch, in seconds since 1970.

    :param asked: someone wanted it.
    :param started: the task, or the command, began.
    :param green: the task was, or the command was over.
    :param ended: the DAG run was green.
    """

    asked: float
    started: float
    first_request: float
    last_answer: float
    green: float
    ended: float

    def seconds(self) -> dict[str, float]:
        """Each part of the way."""
        return {
            "wanted to task start": self.started - self.asked,
            "task start to first request": self.first_request - self.started,
            "first request to last answer": self.last_answer - self.first_request,
            "last answer to green task": self.green - self.last_answer,
            "green task to green run": self.ended - self.green,
            "the whole batch": self.ended - self.asked,
        }


def by_command(server: ProfiledServer, source: Path, target: Path) -> Times:
    """`tendies batch`, as a user calls it."""
    server.read()
    asked = time.time()
    command = [str(Path(sys.executable).with_name("tendies")), "batch", "--server", server.url, "--model", MODEL_NAME]
    subprocess.run([*command, str(source), str(target)], check=True, stdout=subprocess.DEVNULL)
    ended, reading = time.time(), server.read()
    return Times(asked, asked, reading.first_request_at, reading.last_answer_at, ended, ended)


def by_airflow(airflow: LiveAirflow, server: ProfiledServer, source: Path, target: Path) -> Times:
    """Return a run of the batch DAG, triggered over Airflow's API."""
    server.read()
    asked = time.time()
    run_id = airflow.trigger(DAG_ID, {"input": str(source), "output": str(target)})
    if airflow.wait_for_run(DAG_ID, run_id) != "success":
        raise RuntimeError(f"The batch DAG failed:\n{airflow.task_log(DAG_ID, run_id, TASK_ID)}")
    reading, task = server.read(), airflow.task(DAG_ID, run_id, TASK_ID)
    [run] = [run for run in airflow.runs(DAG_ID) if run["dag_run_id"] == run_id]
    started, green, ended = map(_seconds, (task["start_date"], task["end_date"], run["end_date"]))
    return Times(asked, started, reading.first_request_at, reading.last_answer_at, green, ended)


def _seconds(text: str) -> float:
    """Since 1970, of a time as Airflow's API gives it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


@contextmanager
def airflow_with_batch_dag(folder: Path, server_url: str) -> Iterator[LiveAirflow]:
    """Yield an Airflow that knows the workload's model, until the end of the block."""
    airflow = start_airflow(folder / "airflow")
    try:
        airflow.add_spec(spec_of(folder, server_url))
        airflow.wait_for_dag(DAG_ID)
        yield airflow
    finally:
        airflow.stop()


def spec_of(folder: Path, server_url: str) -> dict[str, object]:
    """Return the least that makes a batch DAG."""
    return {
        "model_name": MODEL_NAME,
        "source": {"checkpoint": str(folder)},
        "release": {"model_base_path": str(folder / "models"), "servers": [server_url]},
        "batch": {"input": str(folder / "in"), "output": str(folder / "out")},
    }


def measure(folder: Path, rounds: int, pictures: int) -> list[tuple[Times, Times]]:
    """Return rounds of (by Airflow, by command); one before them is not counted."""
    [workload] = make_workloads(("nothing",))
    source = folder / "in"
    (folder / "picture").write_bytes(workload.picture)
    many_names(folder / "picture", source, pictures)
    with profiled_server(workload) as server, airflow_with_batch_dag(folder, server.url) as airflow:
        turns = []
        for number in range(rounds + 1):
            turns.append(
                (
                    by_airflow(airflow, server, source, folder / f"airflow-{number}"),
                    by_command(server, source, folder / f"command-{number}"),
                )
            )
            print(f"round {number}: {[times.seconds() for times in turns[-1]]}", flush=True)
        return turns[1:]


def parse_costs(folder: Path, rounds: int) -> list[float]:
    """CPU seconds that the batch DAG's file takes next to a bare one, each time in a fresh process."""
    specs = folder / "specs"
    specs.mkdir()
    (specs / "index.txt").write_text("one.yaml\n")
    (specs / "one.yaml").write_text(yaml.safe_dump(spec_of(folder, "http://127.0.0.1:8501")))
    (folder / "bare.py").write_text(BARE_DAG)
    command = [
        sys.executable,
        "-c",
        PARSE,
        str(folder / "bare.py"),
        str(CHECKOUT / "tendies_ops" / "example_dags" / "tendies_batch.py"),
    ]
    environment = {**os.environ, "TENDIES_SPECS_DIR": str(specs), "AIRFLOW_HOME": str(folder / "parsing")}
    environment["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    runs = [subprocess.run(command, check=True, capture_output=True, env=environment) for _ in range(rounds)]
    return [float(run.stdout.splitlines()[-1]) for run in runs]


def rows_of(turns: list[tuple[Times, Times]], parse_s: list[float], pictures: int) -> list[Row]:
    """Return a row a part of the way, and one for the parser."""
    pairs = [(airflow.seconds(), command.seconds()) for airflow, command in turns]
    rows = [_row(part, pairs) for part in pairs[0][0]]
    parse = Row("a DAG file's parse, over a bare DAG", round(statistics.median(parse_s), 3), "CPU s",
                promise=f"<= {MOST_PARSE_S}")  # fmt: skip
    added = statistics.median(airflow["the whole batch"] - command["the whole batch"] for airflow, command in pairs)
    return [*rows, Row(f"what Airflow adds to a batch of {pictures} pictures", round(added, 2), "s"), parse]


def _row(part: str, pairs: Sequence[tuple[Mapping[str, float], Mapping[str, float]]]) -> Row:
    ours = statistics.median(airflow[part] for airflow, _ in pairs)
    theirs = statistics.median(command[part] for _, command in pairs)
    return Row(f"{part}, in Airflow", round(ours, 2), "s", COMMAND, round(theirs, 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=256)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tendies-airflow-"))
    try:
        parse_s = parse_costs(folder, arguments.rounds)
        rows = rows_of(measure(folder, arguments.rounds, arguments.pictures), parse_s, arguments.pictures)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write_result("airflow_cost", rows, rounds=arguments.rounds, parse_cpu_s=parse_s)
    print(as_table(rows))


if __name__ == "__main__":
    main()
