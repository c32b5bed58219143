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
        from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

        self._app = app
        self._clients: dict[str, TestClient] = {}
        for role in ROLES:
            cookies = {}
            if role != "anonymous":
                user = SimpleAuthManagerUser(username=role, role=role.upper())
                cookies["_token"] = get_auth_manager().generate_jwt(user)
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
