"""
An Airflow for one working folder: SQLite, LocalExecutor, on loopback, configured by its environment.

Its four parts are started one by one and not by ``airflow standalone``, whose scheduler and triggerer also serve their
logs, on every interface. Here all parts see the same log files, so nothing needs serving.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from tendies_ops.dev.error import DevError
from tendies_ops.dev.ports import HOST
from tendies_ops.dev.processes import Program, last_line, start
from tendies_ops.working_folder import airflow_environment

USER = "admin"
_PARTS = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "DAG processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "API server": ("api-server",),
}
_HEALTHY = ("metadatabase", "scheduler", "dag_processor", "triggerer")


@dataclass(frozen=True)
class AirflowServer:
    """A started Airflow and how to log in."""

    programs: tuple[Program, ...]
    url: str
    user: str
    password: str

    def is_healthy(self) -> bool:
        """Return True if every component of Airflow reports that it is healthy."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy has no business on loopback
            try:
                answer = session.get(f"{self.url}/api/v2/monitor/health", timeout=5)
            except requests.RequestException:
                return False
        health = answer.json() if answer.ok else {}
        return all((health.get(part) or {}).get("status") == "healthy" for part in _HEALTHY)


def start_airflow(
    folder: Path, port: int, model_server_port: int, *, base: Mapping[str, str], wait: Callable[[Program], None]
) -> AirflowServer:
    """
    Migrate the database and start every part; Airflow is up some 15 seconds later.

    :param folder: the working folder; database, task logs and password are kept in its ``.airflow/``.
    :param base: the environment to add Airflow's settings to.
    :param wait: returns when the program that it is given has ended.
    :raises DevError: the database cannot be migrated.
    """
    home = folder / ".airflow"
    home.mkdir(exist_ok=True)
    password = _password(home / "passwords.json")
    environment = {**base, **airflow_environment(folder, model_server_port=model_server_port), **_settings(home, port)}
    migration = _start(folder, "database", ("db", "migrate"), environment)
    wait(migration)
    if migration.process.returncode:
        raise DevError(f"Airflow cannot make its database: {last_line(migration.log_path)} ({migration.log_path})")
    programs = tuple(_start(folder, name, command, environment) for name, command in _PARTS.items())
    return AirflowServer(programs, f"http://{HOST}:{port}", USER, password)


def _password(path: Path) -> str:
    """Return the password of earlier starts, or a new one that is kept for later ones."""
    if path.exists():
        return str(json.loads(path.read_text(encoding="utf-8"))[USER])
    password = secrets.token_urlsafe(9)
    path.touch(mode=0o600)
    path.write_text(json.dumps({USER: password}), encoding="utf-8")
    return password


def _start(folder: Path, name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> Program:
    return start(
        f"Airflow's {name}",
        [sys.executable, "-m", "airflow", *command],
        log_path=folder / "logs" / f"airflow_{name.lower().replace(' ', '_')}.log",
        mark=folder,
        environment=environment,
    )


def _settings(home: Path, port: int) -> dict[str, str]:
    """Return the settings that hold besides those of the working folder."""
    return {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # LocalExecutor forks as many workers as this, idle or not
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),  # the one that Airflow makes is too short for SHA-512
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",  # what a killed start left running is retried
    }
