"""A DAG file that asks for the time is another DAG at every parse: ours do not ask, each of their calls is watched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.support.airflow_home import REPOSITORY
from tests.support.dag_process import run_script
from tests.support.specs import write_specs

# Prints, for each DAG file, the clocks that code below our folders reads while the file runs: directly, or through a
# function that is named as a clock (pendulum.now, timezone.utcnow). What Airflow's own code asks for is not counted.
_WATCH = """
import datetime, json, runpy, sys, time
import airflow.sdk
dag_files, ours = map(tuple, map(json.loads, sys.argv[1:]))
def is_clock(function):
    if getattr(function, "__module__", None) == "time":
        return True
    owner = getattr(function, "__self__", None)
    return isinstance(owner, type) and issubclass(owner, datetime.date) and function.__name__ in NAMES
NAMES = ("now", "utcnow", "today")
def asker(frame):
    while frame is not None and frame.f_code.co_name in NAMES:
        frame = frame.f_back
    return frame
def watch(frame, event, argument):
    if event == "c_call" and is_clock(argument):
        caller = asker(frame)
        if caller is not None and caller.f_code.co_filename.startswith(ours):
            asked.append(f"{caller.f_code.co_filename}:{caller.f_lineno} {argument.__name__}")
answers = []
for dag_file in dag_files:
    answers.append(asked := [])
    sys.setprofile(watch)
    runpy.run_path(dag_file)
    sys.setprofile(None)
json.dump(answers, sys.stdout)
"""


def clocks_read(dag_files: Sequence[Path], specs: Path, ours: Sequence[Path]) -> list[list[str]]:
    arguments = [json.dumps([str(path) for path in paths]) for paths in (dag_files, ours)]
    answers: list[list[str]] = json.loads(run_script(_WATCH, *arguments, specs=specs)[-1])
    return answers


def test_no_dag_file_asks_for_the_time(tmp_path: Path) -> None:
    specs = write_specs(tmp_path / "specs", {"model_name": "stripes"})
    dag_files = sorted((REPOSITORY / "tendies_ops" / "example_dags").glob("tendies_*.py"))

    answers = clocks_read(dag_files, specs, (REPOSITORY / "tendies_ops",))

    assert len(dag_files) == 4
    assert answers == [[], [], [], []]


def test_a_dag_file_that_asks_for_the_time_would_be_found_out(tmp_path: Path) -> None:
    questions = (
        "import time; time.time()",
        "from datetime import datetime; datetime.now()",
        "from datetime import date; date.today()",
        "import pendulum; pendulum.now()",
        "from airflow.sdk import timezone; timezone.utcnow()",
    )
    dag_files = [tmp_path / f"asks_{number}.py" for number in range(len(questions))]
    for dag_file, question in zip(dag_files, questions, strict=True):
        dag_file.write_text(f"{question}\n")

    answers = clocks_read(dag_files, tmp_path, (tmp_path,))

    assert [[line.partition(" ")[0] for line in asked] for asked in answers] == [[f"{path}:1"] for path in dag_files]
