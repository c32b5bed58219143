"""One model through its two DAGs: release by hand, batch by the event of the release."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from examples.demo.airflow_api import AirflowApi
from tendies_ops.dev import DevError, Voice

_ENDED = ("success", "failed", "skipped", "upstream_failed")
#: The scheduler turns the event of a release into a batch run within seconds; this long means that it never will.
_EVENT_TIMEOUT_S = 90.0


@dataclass
class FollowedRun:
    """One DAG run, reported task by task."""

    api: AirflowApi
    voice: Voice
    model_name: str
    dag_id: str
    run_id: str
    state: str = "queued"
    _reported: dict[str, str] = field(default_factory=dict)

    def look(self) -> None:
        """Ask for its state once, and report what is new."""
        runs = [run for run in self.api.runs(self.dag_id) if run["dag_run_id"] == self.run_id]
        # Tasks are asked after the run: a run that has ended has no task left whose end would go untold.
        for task in self.api.tasks(self.dag_id, self.run_id):
            self._report(task)
        self.state = str(runs[0]["state"]) if runs else "failed"

    def _report(self, task: dict[str, Any]) -> None:
        task_id, state = str(task["task_id"]), str(task["state"])
        if self._reported.get(task_id) == state:
            return
        self._reported[task_id] = state
        name = f"{self.model_name}: {task_id}"
        if state == "running":
            self.voice.step(f"{name} ...")
        elif state == "success":
            self.voice.step(f"{name} done in {task['duration'] or 0:.1f} s")
        elif state == "upstream_failed":
            self.voice.step(f"{name} did not start, as what it needs failed", style="red")
        elif state in (*_ENDED, "up_for_retry"):
            why = self.api.error_of(self.dag_id, self.run_id, task_id, int(task["try_number"]))
            self.voice.step(f"{name} {state.replace('_', ' ')}: {why}", style="red")


@dataclass
class ModelRuns:
    """Release and batch of one model."""

    api: AirflowApi
    voice: Voice
    model_name: str
    release: FollowedRun | None = None
    batch: FollowedRun | None = None
    _released_s: float = 0.0
    _earlier: set[str] = field(default_factory=set)

    @property
    def release_dag_id(self) -> str:
        """The release DAG's name."""
        return f"tendies_release_{self.model_name}"

    @property
    def batch_dag_id(self) -> str:
        """The batch DAG's name."""
        return f"tendies_batch_{self.model_name}"

    def set_out(self, *, is_released: bool) -> str:
        """
        Unpause both DAGs, start the release, whose event starts the batch, and return the DAG that was triggered.

        :param is_released: an earlier demo has released the model: start the batch at once.
        """
        self.api.unpause(self.batch_dag_id)
        self.api.unpause(self.release_dag_id)
        self._earlier = {str(run["dag_run_id"]) for run in self.api.runs(self.batch_dag_id)}
        dag_id = self.batch_dag_id if is_released else self.release_dag_id
        run = FollowedRun(self.api, self.voice, self.model_name, dag_id, self.api.trigger(dag_id, note="make demo"))
        if is_released:
            self.batch = run
        else:
            self.release = run
        return dag_id

    def look(self) -> None:
        """Go as far as things stand now."""
        if self.release is not None and self.release.state not in _ENDED:
            self.release.look()
            self._released_s = time.monotonic()
        elif self.batch is None and self.is_released:
            self._find_batch()
        elif self.batch is not None and self.batch.state not in _ENDED:
            self.batch.look()

    @property
    def is_released(self) -> bool:
        """Return True once the release has succeeded, or if an earlier one has."""
        return self.release.state == "success" if self.release is not None else self.batch is not None

    @property
    def has_ended(self) -> bool:
        """Return True when nothing more will happen."""
        if self.batch is not None:
            return self.batch.state in _ENDED
        return self.release is not None and self.release.state in _ENDED and not self.is_released

    @property
    def is_green(self) -> bool:
        """Whether both runs succeeded."""
        return self.is_released and self.batch is not None and self.batch.state == "success"

    def _find_batch(self) -> None:
        runs = [run for run in self.api.runs(self.batch_dag_id) if run["dag_run_id"] not in self._earlier]
        if runs:
            run_id = str(runs[0]["dag_run_id"])
            self.voice.step(f"{self.model_name}: the release's event started {self.batch_dag_id}")
            self.batch = FollowedRun(self.api, self.voice, self.model_name, self.batch_dag_id, run_id)
        elif time.monotonic() - self._released_s > _EVENT_TIMEOUT_S:
            raise DevError(
                f"{self.model_name} is released, but its event started no run of {self.batch_dag_id} "
                f"within {_EVENT_TIMEOUT_S:.0f} s."
            )
