"""One Airflow for the demo: SQLite, LocalExecutor, on loopback, told everything by its environment."""

from __future__ import annotations

import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from examples.demo.place import CHECKOUT, DemoPlace
from examples.demo.ports import HOST, free_port
from examples.demo.processes import Program, start

USER = "admin"


@dataclass(frozen=True)
class AirflowServer:
    """A started Airflow and how to log in."""

    program: Program
    url: str
    user: str
    password: str


def start_airflow(place: DemoPlace, port: int) -> AirflowServer:
    """Start ``airflow standalone``; it is up some 15 seconds later."""
    password = secrets.token_urlsafe(9)
    passwords_file = place.airflow_home / "passwords.json"
    passwords_file.write_text(json.dumps({USER: password}), encoding="utf-8")
    passwords_file.chmod(0o600)
    program = start(
        "Airflow",
        [sys.executable, "-m", "airflow", "standalone"],
        log_path=place.logs / "airflow.log",
        mark=place.root,
        environment=_environment(place, port, passwords_file),
    )
    return AirflowServer(program, f"http://{HOST}:{port}", USER, password)


def _environment(place: DemoPlace, port: int, passwords_file: Path) -> dict[str, str]:
    bin_directory = Path(sys.executable).parent
    return {
        **program_environment(),
        "AIRFLOW_HOME": str(place.airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
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
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",  # a slot is held this long after its task has ended
        "TENDIES_SPECS_DIR": str(place.specs),
        "PATH": f"{bin_directory}{os.pathsep}{os.environ.get('PATH', os.defpath)}",  # standalone calls `airflow`
    }


def program_environment() -> dict[str, str]:
    """Give this process's environment without what would change the demo's Airflow from outside."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW", "TENDIES"))
    }
    return {
        **kept,
        "PYTHONPATH": str(CHECKOUT),  # model builders below examples/ are imported by name
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
