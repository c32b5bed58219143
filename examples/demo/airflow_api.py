"""Airflow's public REST API, as far as it is needed here."""

from __future__ import annotations

import json
from typing import Any

import requests

from tendies_ops.dev import AirflowServer, DevError


class AirflowApi:
    """
    A caller of the API, logged in.

    :raises DevError: Airflow refuses the login.
    """

    def __init__(self, server: AirflowServer) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business on loopback
        body = {"username": self.server.user, "password": self.server.password}
        answer = self._session.post(f"{self.server.url}/auth/token", json=body, timeout=30)
        if not answer.ok:
            raise DevError(f"Airflow refused the login: {answer.status_code} {answer.text[:200]}")
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def has_dag(self, dag_id: str) -> bool:
        """Return True once the DAG processor has parsed the DAG."""
        return self._get(f"/dags/{dag_id}") is not None

    def import_errors(self) -> list[str]:
        """Return the import errors of DAG files."""
        found = self._get("/importErrors") or {}
        return [str(entry["stack_trace"]).strip().splitlines()[-1] for entry in found.get("import_errors", [])]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self._send("PATCH", f"/dags/{dag_id}?update_mask=is_paused", {"is_paused": False})

    def trigger(self, dag_id: str, *, note: str) -> str:
        """Start a run by hand and return its id."""
        answer = self._send("POST", f"/dags/{dag_id}/dagRuns", {"logical_date": None, "note": note})
        return str(answer["dag_run_id"])

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the DAG's runs."""
        return list((self._get(f"/dags/{dag_id}/dagRuns") or {}).get("dag_runs", []))

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the run's task instances."""
        return list((self._get(f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances") or {}).get("task_instances", []))

    def result(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return the return value of the task, or None."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        value = (self._get(path) or {}).get("value")
        found = json.loads(value) if isinstance(value, str) else value
        return found if isinstance(found, dict) else {}

    def error_of(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> str:
        """Return the last error that the task logged."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}?full_content=true"
        entries = (self._get(path) or {}).get("content", [])
        errors = [entry for entry in entries if isinstance(entry, dict) and entry.get("level") in ("error", "critical")]
        details = [detail for entry in errors for detail in entry.get("error_detail") or []]
        said = details[0].get("exc_value") if details else errors[-1].get("event") if errors else None
        return str(said or "see its log in the Airflow UI")

    def _get(self, path: str) -> Any:
        answer = self._call("GET", path)
        return None if answer.status_code == requests.codes.not_found else self._json(answer)

    def _send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return self._json(self._call(method, path, body))

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        try:
            return self._session.request(method, f"{self.server.url}/api/v2{path}", json=body, timeout=60)
        except requests.RequestException as error:
            raise DevError(f"Airflow no longer answers at {self.server.url} ({type(error).__name__}).") from error

    @staticmethod
    def _json(answer: requests.Response) -> Any:
        if not answer.ok:
            raise DevError(f"Airflow refused {answer.request.method} {answer.url}: {answer.text[:200]}")
        return answer.json()
