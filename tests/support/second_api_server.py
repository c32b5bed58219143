"""A second API server for a live Airflow: idle, or with users of FAB, which ``airflow standalone`` does not have."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import requests

from tests.support.airflow import LiveAirflow
from tests.support.airflow_home import REPOSITORY
from tests.support.ports import free_port

FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
_AIRFLOW = Path(sys.executable).with_name("airflow")
ROLES = ("public", "viewer", "user", "op", "admin")


def start_api_server(live: LiveAirflow, **environment: str) -> LiveAirflow:
    """Start it over the same home and database, and wait until it answers; it is talked to as the other one."""
    port = free_port()
    full = {
        **live.environment,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        **environment,
    }
    with (live.home / f"api-server-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [_AIRFLOW, "api-server"], env=full, cwd=live.home, stdout=log, stderr=log, start_new_session=True
        )
    second = LiveAirflow(live.home, f"http://127.0.0.1:{port}", process, full, live.passwords)
    second.wait("the second API server", lambda: requests.get(f"{second.url}/api/v2/version", timeout=5).ok, 180)
    return second


def start_fab_api_server(live: LiveAirflow) -> LiveAirflow:
    """Start one whose users are named after FAB's roles, in lower case."""
    passwords = {role: f"the password of {role}" for role in ROLES}
    environment = {**live.environment, "AIRFLOW__CORE__AUTH_MANAGER": FAB}
    subprocess.run([_AIRFLOW, "db", "migrate"], env=environment, cwd=live.home, check=True, capture_output=True)
    command = [sys.executable, "-m", "tests.support.second_api_server", json.dumps(passwords)]
    subprocess.run(command, env=environment, cwd=REPOSITORY, check=True, capture_output=True)
    return replace(start_api_server(live, AIRFLOW__CORE__AUTH_MANAGER=FAB), passwords=passwords)


def make_users(passwords: dict[str, str]) -> None:
    """Make a user for each of FAB's own roles."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        for name, password in passwords.items():
            role = builder.sm.find_role(name.capitalize())
            assert builder.sm.add_user(name, name, name, f"{name}@example.com", role, password=password)


if __name__ == "__main__":
    make_users(json.loads(sys.argv[1]))
