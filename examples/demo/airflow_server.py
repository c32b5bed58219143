"""
One Airflow for the demo: SQLite, LocalExecutor, on loopback, told everything by its environment.

Its four parts are started one by one and not by ``airflow standalone``, whose scheduler and triggerer also serve their
logs, on every interface. Here all parts see the same log files, so nothing needs serving.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from examples.demo.errors import DemoError
from examples.demo.place import CHECKOUT, DemoPlace
from examples.demo.ports import HOST
from examples.demo.processes import Program, last_line, start

USER = "admin"
_PARTS = {
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "DAG processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "API server": ("api-server",),
}


@dataclass(frozen=True)
class AirflowServer:
    """A started Airflow and how to log in."""

    programs: tuple[Program, ...]
    url: str
    user: str
    password: str


def start_airflow(place: DemoPlace, port: int, *, wait: Callable[[Program], None]) -> AirflowServer:
    """
    Make the database and start every part; Airflow is up some 15 seconds later.

    :param wait: returns when the program that it is given has ended.
    :raises DemoError: the database cannot be made.
    """
    password = secrets.token_urlsafe(9)
    passwords_file = place.airflow_home / "passwords.json"
    passwords_file.write_text(json.dumps({USER: password}), encoding="utf-8")
    passwords_file.chmod(0o600)
    environment = _environment(place, port, passwords_file)
    migration = _start(place, "database", ("db", "migrate"), environment)
    wait(migration)
    if migration.process.returncode:
        raise DemoError(f"Airflow cannot make its database: {last_line(migration.log_path)} ({migration.log_path})")
    programs = tuple(_start(place, name, command, environment) for name, command in _PARTS.items())
    return AirflowServer(programs, f"http://{HOST}:{port}", USER, password)


def _start(place: DemoPlace, name: str, command: tuple[str, ...], environment: Mapping[str, str]) -> Program:
    return start(
        f"Airflow's {name}",
        [sys.executable, "-m", "airflow", *command],
        log_path=place.logs / f"airflow_{name.lower().replace(' ', '_')}.log",
        mark=place.root,
        environment=environment,
    )


def _environment(place: DemoPlace, port: int, passwords_file: Path) -> dict[str, str]:
    return {
        **program_environment(place),
        "AIRFLOW_HOME": str(place.airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "tendies_ops" / "example_dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",  # LocalExecutor forks as many workers as this, idle or not
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{HOST}:{port}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file),
        "AIRFLOW__API__HOST": HOST,  # by default it listens on every interface
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "30",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(64),  # the one that Airflow makes is too short for SHA-512
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # a slot is held this long after its task has ended
        "TENDIES_SPECS_DIR": str(place.specs),
    }


def program_environment(place: DemoPlace) -> dict[str, str]:
    """Give this process's environment without what would change the demo's Airflow from outside."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW", "TENDIES"))
    }
    return {
        **kept,
        "PYTHONPATH": str(CHECKOUT),  # model builders below examples/ are imported by name
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "KERAS_HOME": str(place.root / "keras"),  # its configuration file would land in the home directory
    }
