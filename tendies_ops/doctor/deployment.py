"""Airflow's own view, asked by its command line: what has to run, and the settings that tasks of tendies depend on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tendies_ops.doctor.finding import Finding, ok, problem, warning

_PATIENCE_S = 120.0  #: Airflow's command line takes seconds to start
_JOBS = {
    "SchedulerJob": ("scheduler", "nothing is started"),
    "TriggererJob": ("triggerer", "deferred releases, sensors and watchers never go on"),
    "DagProcessorJob": ("dag-processor", "changed specs and DAGs are not read"),
}


def look_at_airflow(connection: str) -> Iterator[Finding]:
    """
    Ask Airflow for its jobs and for the connection to Model Server.

    :param connection: id of the connection that the tasks use.
    """
    airflow = _airflow_next_to_us()
    if airflow is None:
        yield warning("airflow", "is not installed next to tendies", "Run `tendies doctor` where the workers run.")
        return
    for kind, (component, consequence) in _JOBS.items():
        if _ask(airflow, "jobs", "check", "--job-type", kind):
            yield ok(f"airflow {component}", "is alive")
        else:
            yield problem(
                f"airflow {component}", f"no living one is known: {consequence}", f"Start `airflow {component}`."
            )
    if _ask(airflow, "connections", "get", connection):
        yield ok(f"connection {connection}", "is there")
    else:
        yield warning(
            f"connection {connection}",
            "is not there; specs with `release.servers` do without",
            f"Add it: airflow connections add {connection} --conn-type tf_serving --conn-host HOST --conn-port 8501",
        )


def _airflow_next_to_us() -> str | None:
    beside = Path(sys.executable).with_name("airflow")
    return str(beside) if beside.is_file() else shutil.which("airflow")


def _ask(airflow: str, *command: str) -> bool:
    """Return whether a command of Airflow succeeds."""
    try:
        done = subprocess.run([airflow, *command], capture_output=True, timeout=_PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
