"""Tasks that are killed in each way that Airflow knows end in the true state, and going on does no work twice."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.airflow import LiveAirflow
from tests.support.works_to_kill import Batch, Export, Release, Rollback, Shards, Wait, WaitingRelease, Work

pytestmark = pytest.mark.timeout(900)  # on a machine that is busy

_DAGS = Path(__file__).with_name("dags_to_kill.py")
_STOPS_WITHIN_S = 5.0
_NOTICED_WITHIN_S = 40.0  # a task learns that it was marked or cleared at its next heartbeat


@dataclass
class Victim:
    """A run whose task is in the middle of its work."""

    airflow: LiveAirflow
    work: Work
    dag_id: str
    run_id: str
    process: psutil.Process | None  #: None: deferred

    @property
    def path(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{self.work.task_id}"

    def state(self) -> str:
        return str(self.airflow.task(self.dag_id, self.run_id, self.work.task_id, self.work.map_index)["state"])

    def states_of_tries(self) -> list[str]:
        path = self.path if self.work.map_index < 0 else f"{self.path}/{self.work.map_index}"
        return [str(found["state"]) for found in self.airflow.call("GET", f"{path}/tries")["task_instances"]]

    def clear(self, *, only_failed: bool) -> None:
        body = {"dry_run": False, "dag_run_id": self.run_id, "only_failed": only_failed, "reset_dag_runs": True}
        if not only_failed:
            body["task_ids"] = [
                [self.work.task_id, self.work.map_index] if self.work.map_index >= 0 else self.work.task_id
            ]
        self.airflow.call("POST", f"/dags/{self.dag_id}/clearTaskInstances", body)

    def wait_until_dead(self, within_s: float) -> None:
        if self.process is not None:
            psutil.wait_procs([self.process], timeout=within_s)
            assert not self.process.is_running(), f"{self.process} lives {within_s:g} s after it was told to stop"

    def wait_until_failed(self) -> None:
        self.airflow.wait("the task to be failed", lambda: self.state() == "failed", _NOTICED_WITHIN_S)


# --- the ways --------------------------------------------------------------------------------------------------------


def mark_failed(victim: Victim) -> None:
    """As the button of the UI does."""
    suffix = "" if victim.work.map_index < 0 else f"/{victim.work.map_index}"
    victim.airflow.call("PATCH", f"{victim.path}{suffix}", {"new_state": "failed"})
    victim.wait_until_dead(_NOTICED_WITHIN_S)


def clear(victim: Victim) -> None:
    victim.clear(only_failed=False)
    victim.wait_until_dead(_NOTICED_WITHIN_S)


def end_worker(victim: Victim) -> None:
    """SIGTERM to the worker's process, as when a host is shut down; it passes it on to its task."""
    assert victim.process is not None
    victim.process.parent().terminate()  # type: ignore[union-attr]  # it has one
    victim.wait_until_dead(_STOPS_WITHIN_S)


def kill_task(victim: Victim) -> None:
    """SIGKILL, as when memory runs out."""
    assert victim.process is not None
    victim.process.kill()


def restart_scheduler(victim: Victim) -> None:
    victim.airflow.kill_and_restart("scheduler")


def restart_triggerer(victim: Victim) -> None:
    time.sleep(3)  # the trigger is at work
    victim.airflow.kill_and_restart("triggerer")


def time_out(victim: Victim) -> None:
    """``execution_timeout`` of the task."""
    victim.wait_until_dead(60)


@dataclass(frozen=True)
class Way:
    """One way to kill."""

    kill: Callable[[Victim], None]
    ends_the_try: bool = True  #: the task is failed then, and someone clears it
    asks: bool = True  #: the task is told and has time to stop


_WAYS = {
    "marked_failed": Way(mark_failed),
    "cleared": Way(clear, ends_the_try=False),
    "worker_ended": Way(end_worker),
    "task_killed": Way(kill_task, asks=False),
    "scheduler_restarted": Way(restart_scheduler, ends_the_try=False),
    "timed_out": Way(time_out),
    "triggerer_restarted": Way(restart_triggerer, ends_the_try=False),
}
_NEED_A_TRIGGER = {"triggerer_restarted"}
#: What is deferred has none; and its time to work begins when the trigger has fired.
_NEED_A_PROCESS = {"worker_ended", "task_killed", "timed_out"}
#: The environment of the oldest Airflow has none.
_NEEDS_TENSORFLOW = pytest.mark.skipif(find_spec("tensorflow") is None, reason="there is no TensorFlow here")
#: Every other cell is slow.
_EVERYDAY = {
    ("export", "worker_ended"),
    ("release", "task_killed"),
    ("rollback", "cleared"),
    ("batch", "worker_ended"),
    ("shards", "task_killed"),
    ("wait", "marked_failed"),
}


def _cells() -> Iterator[Any]:
    for work, way in itertools.product((Export, Release, WaitingRelease, Rollback, Batch, Shards, Wait), _WAYS):
        if way not in (_NEED_A_PROCESS if work.deferred else _NEED_A_TRIGGER):
            marks = [] if (work.name, way) in _EVERYDAY else [pytest.mark.slow]
            marks += [_NEEDS_TENSORFLOW] if work is Export else []
            yield pytest.param(work, way, id=f"{work.name}-{way}", marks=marks)


# --- the test --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def airflow(live_airflow: LiveAirflow) -> LiveAirflow:
    """The live Airflow, with the DAGs to kill."""
    live_airflow.add_dag_file(_DAGS.name, _DAGS.read_text(encoding="utf-8"))
    return live_airflow


def start(airflow: LiveAirflow, work: Work, way: str) -> Victim:
    """Start the task, and return once it is in the middle of its work."""
    dag_id = f"kill_{work.name}_in_time" if way == "timed_out" else f"kill_{work.name}"
    airflow.wait_for_dag(dag_id)
    run_id = airflow.trigger(dag_id, work.conf)
    started = "deferred" if work.deferred else "running"
    task = airflow.wait_for_task(dag_id, run_id, work.task_id, started, map_index=work.map_index)
    airflow.wait("the task to be in the middle of its work", work.has_begun, interval_s=0.1)
    return Victim(airflow, work, dag_id, run_id, None if work.deferred else _process_of(airflow, task["id"]))


def _process_of(airflow: LiveAirflow, task_instance_id: str) -> psutil.Process:
    [pid] = airflow.children(f"airflow worker -- {task_instance_id}")
    return psutil.Process(pid)


@pytest.mark.parametrize(("kind", "way_name"), list(_cells()))
def test_a_killed_task_reports_the_truth_and_goes_on_from_there(
    airflow: LiveAirflow, tmp_path: Path, kind: type[Work], way_name: str
) -> None:
    way = _WAYS[way_name]
    with kind(tmp_path) as work:
        victim = start(airflow, work, way_name)
        way.kill(victim)
        if way.ends_the_try:
            victim.wait_until_failed()
            work.check_halted(asked=way.asks)
        work.let_go()
        if way.ends_the_try:
            assert airflow.wait_for_run(victim.dag_id, victim.run_id) == "failed"
            victim.clear(only_failed=True)
        assert airflow.wait_for_run(victim.dag_id, victim.run_id, timeout_s=240) == "success"

        *killed, last = victim.states_of_tries()
        assert last == "success"
        assert "success" not in killed
        result_of = "batch.report" if kind is Shards else work.task_id
        work.check_finished(airflow.xcom(victim.dag_id, victim.run_id, result_of))
