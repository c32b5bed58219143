"""
The services of docker/compose.yaml as processes of this machine: their own commands, settings, scripts, healthchecks.

Names of services become addresses on loopback, or on a link that can be cut, and mounted volumes become directories.
The only other changes are the ones of :data:`_QUICKER` and what two Celery workers on one machine need to tell each
other apart.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import requests

from tests.cluster.links import Link, make_link
from tests.cluster.postgres import Postgres
from tests.cluster.processes import Process
from tests.support import containers
from tests.support.airflow import LiveAirflow
from tests.support.ports import free_port

REPOSITORY = containers.DOCKER.parent
MODEL_NAME = "stripes"
SERVERS = 3
#: Run a command with a read-only root, as the containers do; /tmp and what compose.yaml mounts stay writable.
_READ_ONLY_ROOT = """
place=$1; shift
mount --make-rprivate /
mount --bind /tmp /tmp
mount --bind "$place" "$place"
mount --bind "$place/home" "$place/home"
mount --bind "$place/airflow-logs" "$place/home/logs"
mount -o remount,bind,ro "$place/home"
mount -o remount,bind,ro /
exec "$@"
"""
#: So that what a user waits a minute for in production takes some seconds here.
_QUICKER = {
    "AIRFLOW__API__WORKERS": "1",
    "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
}
#: So that a killed worker is soon noticed. With these, a short outage of the API server costs tasks.
_SHORT_TIMEOUTS = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
}


class Installation:
    """
    Everything of it, started one after the other; a context manager.

    :param place: directory for all that it writes.
    """

    servers = SERVERS
    #: The embedded server; here with a servable that needs no TensorFlow, all else is real.
    serve: tuple[str, ...] = (sys.executable, "-m", "tests.support.shift_servable")

    def __init__(self, place: Path) -> None:
        self.place = place
        self.models, self.logs = place / "models", place / "logs"
        for folder in (
            self.models,
            self.logs,
            place / "home" / "dags",
            place / "home" / "logs",
            place / "airflow-logs",
        ):
            folder.mkdir(parents=True)
        (place / "home" / "airflow.cfg").touch()  # as in the Dockerfile
        self.secrets = _make_secrets(place / "secrets")
        self._ports = {name: free_port() for name in ("postgres", "redis", "api-server", "health", "triggerer")}
        self.links: list[Link] = [make_link() for _ in range(self.servers)]
        self._places = self._places_of_names()
        self.environment = self._environment_of("scheduler")
        self.postgres: Postgres | None = None
        self.redis = self._process(
            "redis", ["bash", str(containers.DOCKER / "redis" / "start.sh")], self._redis_environment()
        )
        self.model_servers = [self._model_server(number) for number in range(self.servers)]
        self.airflow = {name: self._airflow_service(name) for name in _airflow_names()}

    def __enter__(self) -> Installation:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def live(self) -> LiveAirflow:
        """Its API, to talk to."""
        api_server = self.airflow["api-server"].running
        assert api_server is not None
        shutil.copy(self.airflow["scheduler"].log_path, self.place / "home" / "standalone.log")
        url = f"http://127.0.0.1:{self._ports['api-server']}"
        return LiveAirflow(
            self.place / "home", url, api_server, dict(self.environment), {"admin": self.secrets["ADMIN_PASSWORD"]}
        )

    def restart_as_shipped(self) -> None:
        """Restart the scheduler and the workers with the timeouts and retries that compose.yaml itself sets."""
        workers = [name for name in self.airflow if name.startswith("worker")]
        for name in ("scheduler", *workers):
            self.airflow[name].kill()
            self.airflow[name].environment = self._environment_of(name, short_timeouts=False)
            self.airflow[name].start()
        for name in workers:
            explain: Callable[[], str] = self.airflow[name].log
            wait_for(f"{name} to be healthy", partial(self.is_healthy, name), explain, timeout_s=120)

    def restart_what_ended(self) -> None:
        """Do what compose.yaml's ``restart: unless-stopped`` does."""
        for process in self.airflow.values():
            if process.running is not None and process.running.poll() is not None:
                process.start()

    def is_healthy(self, name: str) -> bool:
        """Return True if a service's own healthcheck says so."""
        return self.health(name).returncode == 0

    def health(self, name: str) -> subprocess.CompletedProcess[str]:
        """Run a service's own healthcheck."""
        kind, *words = [self._in_this_place(word) for word in containers.services()[name]["healthcheck"]["test"]]
        words = [word.replace("celery@$${HOSTNAME}", f"{name}@{socket.gethostname()}") for word in words]
        command = ["bash", "-c", words[0].replace("$$", "$")] if kind == "CMD-SHELL" else words
        environment = {**self._redis_environment(), **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def stop(self) -> None:
        """End everything that was started."""
        for process in (*self.airflow.values(), *self.model_servers, self.redis):
            process.kill()  # no one is interested in how they would end
        if self.postgres is not None:
            self.postgres.stop()
        for link in self.links:
            link.close()

    def _start(self) -> None:
        self.postgres = Postgres(self._ports["postgres"], self.secrets)
        self.redis.start()
        self._run_init()
        for process in (*self.model_servers, *self.airflow.values()):
            process.start()
        url = f"http://127.0.0.1:{self._ports['api-server']}/api/v2/monitor/health"
        wait_for("Airflow to be healthy", lambda: self._all_run() and _all_healthy(url), self._all_logs, timeout_s=150)

    def _all_run(self) -> bool:
        """True; an AssertionError names a process that has ended."""
        for name, process in self.airflow.items():
            assert process.running is not None
            assert process.running.poll() is None, f"{name} has ended:\n{process.log()[-3000:]}"
        return True

    def _run_init(self) -> None:
        told = {
            **self.environment,
            "ADMIN_USER": self.secrets["ADMIN_USER"],
            "ADMIN_PASSWORD": self.secrets["ADMIN_PASSWORD"],
            "TENDIES_MODELS_DIR": str(self.models),
            "TENDIES_MODELS_CONFIG": str(self._models_config()),
        }
        init = self._process("init", ["bash", str(containers.DOCKER / "airflow" / "init.sh")], told)
        init.start()
        assert init.running is not None
        assert init.running.wait(150) == 0, init.log()

    def _models_config(self) -> Path:
        """The one of docker/, for the model of the tests."""
        path = self.place / "models.config"
        text = (containers.DOCKER / "models.config").read_text(encoding="utf-8")
        path.write_text(text.replace("brush_strokes", MODEL_NAME).replace("/models/", f"{self.models}/"))
        return path

    def _places_of_names(self) -> dict[str, str]:
        """What stands in compose.yaml -> what it is here."""
        hosts = ",".join(link.url.removeprefix("http://") for link in self.links)
        written = ",".join(f"{name}:8501" for name in containers.model_servers())
        local = {
            "postgres:5432": "postgres",
            "redis:6379": "redis",
            "api-server:8080": "api-server",
            "localhost:8080": "api-server",
            "localhost:8974": "health",
        }
        addresses = {name: f"127.0.0.1:{self._ports[service]}" for name, service in local.items()}
        return {written: hosts, **addresses, "/models/": f"{self.models}/", "brush_strokes": MODEL_NAME}

    def _in_this_place(self, text: str) -> str:
        for written, here in self._places.items():
            text = text.replace(written, here)
        return text

    def _environment_of(self, service: str, *, short_timeouts: bool = True) -> dict[str, str]:
        """Return the settings and the secrets that compose.yaml gives to a service of Airflow."""
        told = containers.services()[service]["environment"]
        files = [self.place / name for name in containers.services()[service]["env_file"]]
        secrets = {name: value for path in files for name, value in _variables(path).items() if "AIRFLOW__" in name}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        from_compose = {name: self._in_this_place(str(value)) for name, value in told.items()}
        from_secrets = {name: self._in_this_place(value) for name, value in secrets.items()}
        return {
            **{name: os.environ[name] for name in ("LANG", "HOME", "TMPDIR") if name in os.environ},
            **from_compose,
            **from_secrets,
            **_QUICKER,
            **(_SHORT_TIMEOUTS if short_timeouts else {}),
            "PATH": programs,
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW_HOME": str(self.place / "home"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self._ports["api-server"]),
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(self._ports["health"]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self._ports["triggerer"]),
        }

    def _redis_environment(self) -> dict[str, str]:
        data = self.place / "redis"
        data.mkdir(exist_ok=True)
        told = {"REDIS_DATA_DIR": str(data), "REDIS_PORT": str(self._ports["redis"]), "REDIS_BIND": "127.0.0.1"}
        return {"PATH": os.environ["PATH"], "REDISCLI_AUTH": self.secrets["REDISCLI_AUTH"], **told}

    def _model_server(self, number: int) -> Process:
        """The embedded server with the flags of compose.yaml."""
        [_, *flags] = containers.command_of(next(iter(containers.model_servers().values())))
        link = self.links[number]
        given = {
            "--rest_api_port": str(link.port),
            "--rest_api_address": link.address,
            "--model_config_file_poll_wait_seconds": "1",
            "--monitoring_config_file": str(containers.DOCKER / "model-server" / "monitoring.config"),
        }
        kept = [self._in_this_place(flag) for flag in flags if flag.partition("=")[0] not in given]
        words = [*kept, *(f"{name}={value}" for name, value in given.items())]
        command = [*link.prefix, *self.serve, *words]
        return self._process(f"model-server-{number + 1}", command, {**os.environ, "PYTHONPATH": str(REPOSITORY)})

    def _airflow_service(self, name: str) -> Process:
        command = list(containers.services()[name]["command"])
        if name.startswith("worker"):
            own = {"/tmp/worker.pid": str(self.place / f"{name}.pid")}  # two of them share this machine's /tmp
            command = [*(own.get(word, word) for word in command), "--celery-hostname", f"{name}@%h"]
        return self._process(name, [*self._read_only_root(), *command], self._environment_of(name))

    def _read_only_root(self) -> list[str]:
        """Return the beginning of a command line; nothing if only root could do this."""
        if os.geteuid() != 0:
            return []
        return ["unshare", "--mount", "bash", "-ec", _READ_ONLY_ROOT, "read-only-root", str(self.place)]

    def _process(self, name: str, command: list[str], environment: Mapping[str, str]) -> Process:
        return Process(command, environment, self.logs / f"{name}.log", {"cwd": str(self.place)})

    def _all_logs(self) -> str:
        tails = {path.name: path.read_text(errors="replace")[-1500:] for path in self.logs.iterdir()}
        return "\n".join(f"== {name}\n{tail}" for name, tail in tails.items())


def wait_for(what: str, check: Callable[[], Any], explain: Callable[[], str], *, timeout_s: float) -> Any:
    """Ask until ``check`` returns something true, and return it."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        if value := check():
            return value
        assert time.monotonic() < deadline_s, f"{what}: not within {timeout_s:.0f} s\n{explain()}"
        time.sleep(0.2)


def _airflow_names() -> list[str]:
    return [name for name in containers.airflow_services() if name != "init"]


def _all_healthy(url: str) -> bool:
    try:
        health = requests.get(url, timeout=5).json()
    except (requests.RequestException, ValueError):
        return False
    parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def _make_secrets(directory: Path) -> dict[str, str]:
    subprocess.run(["bash", containers.DOCKER / "make-secrets.sh", directory], check=True, capture_output=True)
    return {name: value for path in directory.iterdir() for name, value in _variables(path).items()}


def _variables(path: Path) -> dict[str, str]:
    """Read an environment file."""
    return dict(line.split("=", 1) for line in path.read_text().splitlines())
