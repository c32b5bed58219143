"""A live Airflow for many tests: scheduler, DAG processor, API server and triggerer, on loopback, driven over REST."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.support.airflow_home import REPOSITORY, airflow_environment
from tests.support.ports import free_port
from tests.support.process_groups import command_line, end_group, parent_of

_START_S = 240.0  # 20 s on an idle machine
_FINAL_STATES = ("success", "failed", "skipped", "upstream_failed", "removed")
_USERS = {"admin": "admin", "op": "op", "user": "user", "viewer": "viewer"}


@dataclass
class LiveAirflow:
    """``airflow standalone``, in a process group of its own."""

    home: Path
    url: str
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    passwords: dict[str, str]
    _tokens: dict[str, str] = field(default_factory=dict)
    _restarted: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log_path(self) -> Path:
        return self.home / "standalone.log"

    def token(self, user: str = "admin") -> str:
        """A user's bearer token. Users are named after their roles: admin, op, user, viewer."""
        if user not in self._tokens:
            body = {"username": user, "password": self.passwords[user]}
            answer = requests.post(f"{self.url}/auth/token", json=body, timeout=30)
            answer.raise_for_status()
            self._tokens[user] = answer.json()["access_token"]
        return self._tokens[user]

    def call(self, method: str, path: str, body: Any = None, *, user: str = "admin", **params: Any) -> Any:
        """Call ``/api/v2<path>`` and return the JSON that came back."""
        answer = requests.request(
            method,
            f"{self.url}/api/v2{path}",
            json=body,
            params=params,
            headers={"Authorization": f"Bearer {self.token(user)}"},
            timeout=60,
        )
        if not answer.ok:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def wait(self, what: str, check: Callable[[], Any], timeout_s: float = 90.0, interval_s: float = 0.5) -> Any:
        """Ask until ``check`` returns something true, and return it; a RuntimeError that it raises counts as no."""
        deadline_s = time.monotonic() + timeout_s
        problem: Any = None
        while time.monotonic() < deadline_s:
            try:
                if value := check():
                    return value
            except (RuntimeError, requests.RequestException) as error:
                problem = error
            time.sleep(interval_s)
        raise TimeoutError(f"{what}: not within {timeout_s:.0f} s. {problem or ''}\n{self.log_tail()}")

    def wait_for_dag(self, dag_id: str, *, timeout_s: float = 90.0) -> None:
        """Wait until the DAG is known, then unpause it."""
        self.wait(f"DAG {dag_id}", lambda: self.call("GET", f"/dags/{dag_id}"), timeout_s)
        self.call("PATCH", f"/dags/{dag_id}", {"is_paused": False}, update_mask="is_paused")

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, *, user: str = "admin") -> str:
        """Trigger a run and return its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self.call("POST", f"/dags/{dag_id}/dagRuns", body, user=user)["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """The DAG's runs, oldest first."""
        found: list[dict[str, Any]] = self.call("GET", f"/dags/{dag_id}/dagRuns", order_by="run_after")["dag_runs"]
        return found

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout_s: float = 120.0) -> str:
        """Wait until the run has ended, and return its state."""

        def ended() -> str | None:
            state = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            return state if state in ("success", "failed") else None

        return str(self.wait(f"run {run_id} of {dag_id}", ended, timeout_s))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        """One task instance."""
        suffix = "" if map_index < 0 else f"/{map_index}"
        found: dict[str, Any] = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}{suffix}")
        return found

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, *states: str, timeout_s: float = 90.0, map_index: int = -1
    ) -> dict[str, Any]:
        """Wait until the task instance is in one of ``states``, and return it; AssertionError when it never will be."""

        def reached() -> dict[str, Any] | None:
            found = self.task(dag_id, run_id, task_id, map_index)
            if found["state"] in states:
                return found
            assert found["state"] not in _FINAL_STATES, f"{task_id} of {dag_id} is {found['state']}"
            return None

        found: dict[str, Any] = self.wait(f"task {task_id} to be {' or '.join(states)}", reached, timeout_s)
        return found

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """An XCom's value."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        value = self.call("GET", path, map_index=map_index, deserialize=False)["value"]
        return json.loads(value) if isinstance(value, str) else value

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int = 1) -> str:
        """What the task logged, for a failed test's message."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        lines = self.call("GET", path, full_content=True)["content"]
        return "\n".join(_line_of_log(line) for line in lines)

    def asset_events(self, uri: str) -> list[dict[str, Any]]:
        """The asset's events, oldest first."""
        asset_id = self.asset_id(uri)
        found: list[dict[str, Any]] = self.call("GET", "/assets/events", asset_id=asset_id, order_by="timestamp")[
            "asset_events"
        ]
        return found

    def asset_id(self, uri: str) -> int:
        """Airflow's number of an asset."""
        for asset in self.call("GET", "/assets", uri_pattern=uri, limit=200)["assets"]:
            if asset["uri"] == uri:
                return int(asset["id"])
        raise RuntimeError(f"Airflow knows no asset {uri}")

    def asset_state(self, uri: str, key: str) -> Any:
        """A value in the asset's state store; a RuntimeError while there is none."""
        return _decoded(self.call("GET", f"/assets/{self.asset_id(uri)}/state-store/{key}")["value"])

    def task_state(self, dag_id: str, run_id: str, task_id: str, key: str, map_index: int = -1) -> Any:
        """A value in the task instance's state store; a RuntimeError while there is none."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/state-store/{key}"
        return _decoded(self.call("GET", path, map_index=map_index)["value"])

    def add_dag_file(self, name: str, content: str) -> None:
        """Add a file to the DAGs folder; its DAGs are known some seconds later."""
        (self.home / "dags" / name).write_text(content, encoding="utf-8")

    def add_spec(self, spec: Mapping[str, Any]) -> None:
        """Add a model spec, of which dags/*.py make two DAGs some seconds later."""
        specs = self.home / "specs"
        (specs / f"{spec['model_name']}.yaml").write_text(yaml.safe_dump(dict(spec)), encoding="utf-8")
        with (specs / "index.txt").open("a", encoding="utf-8") as index:
            index.write(f"{spec['model_name']}.yaml\n")

    def children(self, *words: str) -> list[int]:
        """Ids of processes of this Airflow whose command line holds all ``words``."""
        import psutil

        found = []
        started = [psutil.Process(process.pid) for process in (self.process, *self._restarted)]
        for process in (child for parent in started for child in [parent, *parent.children(recursive=True)]):
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                found.append(process.pid)
        return found

    def kill_and_restart(self, component: str) -> None:
        """Kill one component (``scheduler``, ``triggerer``) as a crash would, and start another one."""
        for pid in self.children(f"airflow {component}"):
            if f"airflow {component}" in command_line(parent_of(pid)):
                continue  # a child of it, such as a task: a crash of the component leaves it alone
            os.kill(pid, signal.SIGKILL)
        with self.log_path.open("ab") as log:
            command = [str(Path(sys.executable).with_name("airflow")), component]
            self._restarted.append(
                subprocess.Popen(
                    command, env=self.environment, cwd=self.home, stdout=log, stderr=log, start_new_session=True
                )
            )

    def log_tail(self, lines: int = 40) -> str:
        """The end of what all components wrote."""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """End every process of it."""
        for process in (*self._restarted, self.process):
            end_group(process)


def start_airflow(home: Path, *, environment: Mapping[str, str] | None = None) -> LiveAirflow:
    """
    Start an Airflow in ``home`` and wait until all its parts are healthy (about 20 s).

    :param environment: added to its environment, such as connections or ``TENDIES_SPECS_DIR``.
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / "specs").mkdir(exist_ok=True)
    (home / "specs" / "index.txt").touch()
    shutil.copytree(
        REPOSITORY / "tendies_ops" / "example_dags", home / "dags", ignore=shutil.ignore_patterns("__pycache__")
    )
    port = free_port()
    passwords = {user: secrets.token_urlsafe(12) for user in _USERS}
    (home / "passwords.json").write_text(json.dumps(passwords))
    full = {**os.environ, **_live_environment(home, port), **(environment or {})}
    airflow = Path(sys.executable).with_name("airflow")
    with (home / "standalone.log").open("wb") as log:
        process = subprocess.Popen(
            [str(airflow), "standalone"], env=full, cwd=home, stdout=log, stderr=log, start_new_session=True
        )
    live = LiveAirflow(home, f"http://127.0.0.1:{port}", process, full, passwords)
    try:
        live.wait("Airflow to be healthy", lambda: _healthy(live), _START_S)
    except BaseException:
        live.stop()
        raise
    return live


def _line_of_log(line: Any) -> str:
    if not isinstance(line, dict):
        return str(line)
    errors = [f"{one['exc_type']}: {one['exc_value']}" for one in line.get("error_detail") or ()]
    return " ".join([str(line.get("event", line)), *errors])


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _live_environment(home: Path, port: int) -> dict[str, str]:
    environment = airflow_environment(home)
    environment.pop("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST")
    return environment | {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{user}:{role}" for user, role in _USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__TRIGGERER__DEFAULT_CAPACITY": "50",
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",  # 5 s by default, too short for a busy machine
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # above it, short deferrals fail by a race of Airflow's own
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # standalone starts `airflow` by name
        "PYTHONPATH": str(REPOSITORY),
        "TENDIES_SPECS_DIR": str(home / "specs"),
        "PYTHONUNBUFFERED": "1",
    }


def _healthy(live: LiveAirflow) -> bool:
    if live.process.poll() is not None:
        raise SystemExit(f"airflow standalone ended with {live.process.returncode}:\n{live.log_tail()}")
    answer = requests.get(f"{live.url}/api/v2/monitor/health", timeout=5)
    if not answer.ok:
        return False
    health = answer.json()
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)
