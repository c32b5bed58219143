"""Debian's PostgreSQL in a directory of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster.processes import Process
from tests.support.containers import DOCKER


class Postgres:
    """
    A server on loopback. It refuses to run as root, so root lends it Debian's own user.

    :param secrets: the variables of postgres.env: who may log in, and the databases to make.
    """

    def __init__(self, port: int, secrets: Mapping[str, str]) -> None:
        user, password = secrets["POSTGRES_USER"], secrets["POSTGRES_PASSWORD"]
        self._place = Path(tempfile.mkdtemp(prefix="tendies-postgres-"))
        self._data = self._place / "data"
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self._place, "postgres", "postgres")
        login = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGPASSWORD": password}
        self._environment = {**os.environ, **secrets, **login, "LC_ALL": "C.UTF-8"}
        self._make(user, password)
        options = {"port": str(port), "listen_addresses": "127.0.0.1", "fsync": "off", "max_connections": "200"}
        options["unix_socket_directories"] = str(self._place)
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._log = self._place / "log"
        self.process = Process(
            [_program("postgres"), "-D", str(self._data), *words], self._environment, self._log, self._as_user
        )
        self.process.start()
        _until_done([_program("createdb"), "-U", user, secrets["POSTGRES_DB"]], self._environment)
        # As the image does on an empty volume.
        script = DOCKER / "postgres" / "celery.sh"
        subprocess.run(["bash", str(script)], env=self._environment, check=True, capture_output=True)

    def stop(self) -> None:
        """Stop it and remove its data."""
        self.process.stop()
        shutil.rmtree(self._place, ignore_errors=True)

    def _make(self, user: str, password: str) -> None:
        password_file = self._place / "password"
        password_file.write_text(password)
        if self._as_user:
            shutil.chown(password_file, "postgres", "postgres")
        subprocess.run(
            [
                *(_program("initdb"), "-D", str(self._data), "-U", user, "-A", "scram-sha-256"),
                *("--no-sync", "-E", "UTF8", "--pwfile", str(password_file)),
            ],
            env=self._environment,
            check=True,
            capture_output=True,
            cwd=self._place,
            **self._as_user,
        )


def _program(name: str) -> str:
    """Debian keeps the server's programs off PATH, a directory for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name) or name


def _until_done(command: list[str], environment: dict[str, str]) -> None:
    deadline_s = time.monotonic() + 30
    while (done := subprocess.run(command, env=environment, capture_output=True, check=False)).returncode != 0:
        assert time.monotonic() < deadline_s, done.stderr.decode()
        time.sleep(0.2)
