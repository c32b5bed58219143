"""HTTP clients for the real Airflow application, one a role."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from starlette.testclient import TestClient

ROLES = ("anonymous", "viewer", "user", "op", "admin")


class Clients:
    """``clients["viewer"]`` is logged in as a viewer, by the cookie that a browser would send."""

    def __init__(self, app: Any) -> None:
        from airflow.api_fastapi.app import get_auth_manager

        self._app = app
        self._clients: dict[str, TestClient] = {}
        self.uses_fab = type(get_auth_manager()).__name__ == "FabAuthManager"
        users = _fab_users() if self.uses_fab else _simple_users()
        for role, user in {"anonymous": None, **users}.items():
            cookies = {} if user is None else {"_token": get_auth_manager().generate_jwt(user)}
            self._clients[role] = TestClient(
                app,
                base_url="http://testserver",
                cookies=cookies,
                raise_server_exceptions=False,
                follow_redirects=False,
            )

    def get_raw(self, role: str, target: str) -> tuple[int, bytes]:
        """Ask for exactly ``target``, as a socket would carry it: an HTTP client would tidy ``..`` away first."""
        token = self._clients[role].cookies.get("_token") or ""
        return asyncio.run(_get_raw(self._app, target, token))

    def __getitem__(self, role: str) -> TestClient:
        return self._clients[role]

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()


def _simple_users() -> dict[str, Any]:
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return {role: SimpleAuthManagerUser(username=role, role=role.upper()) for role in ROLES if role != "anonymous"}


def _fab_users() -> dict[str, Any]:
    """A user for each of FAB's own roles, and one whose role allows to read the DAGs of one model."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        reads = [("can_read", "DAG Runs"), ("can_read", "DAG:tendies_batch_stripes"), ("can_read", "Website")]
        manager.bulk_sync_roles([{"role": "Stripes", "perms": reads}])
        found = {}
        for name in (*ROLES[1:], "public", "stripes"):
            role = manager.find_role(name.capitalize())
            found[name] = manager.add_user(name, name, name, f"{name}@example.com", role, password=name)
        return found


async def _get_raw(app: Any, target: str, token: str) -> tuple[int, bytes]:
    """What uvicorn makes of ``GET <target>``: the path is unquoted once, and nothing else happens to it."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(), "root_path": "",
        "headers": [(b"host", b"testserver"), (b"cookie", f"_token={token}".encode())],
        "client": ("127.0.0.1", 1), "server": ("testserver", 80), "state": {},
    }  # fmt: skip
    answer: dict[str, Any] = {"status": 0, "body": b""}
    asked = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if asked.is_set():
            await asyncio.sleep(3600)
        asked.set()
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answer["status"] = message.get("status", answer["status"])
        answer["body"] += message.get("body", b"")

    await app(scope, receive, send)
    return answer["status"], answer["body"]
