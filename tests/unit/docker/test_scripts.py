"""The shell scripts of the images, run here as they stand."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.canned_server import Answer, CannedModel, CannedServer
from tests.support.containers import DOCKER, base_paths_of
from tests.support.ports import free_port

MakeSecrets = Callable[[Path], dict[str, str]]


def run_script(
    name: str, *arguments: object, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(DOCKER / name), *map(str, arguments)],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_secrets_are_new_each_time_and_for_no_one_else(tmp_path: Path, make_secrets: MakeSecrets) -> None:
    first, second = make_secrets(tmp_path / "a"), make_secrets(tmp_path / "b")
    for name in ("POSTGRES_PASSWORD", "REDISCLI_AUTH", "AIRFLOW__CORE__FERNET_KEY", "ADMIN_PASSWORD"):
        assert first[name] != second[name]
    assert [path.stat().st_mode & 0o077 for path in (tmp_path / "a").iterdir()] == [0, 0, 0, 0, 0]
    assert len(base64.urlsafe_b64decode(first["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert len(first["AIRFLOW__API_AUTH__JWT_SECRET"]) >= 64


def test_the_connection_strings_have_the_passwords_of_what_they_lead_to(
    tmp_path: Path, make_secrets: MakeSecrets
) -> None:
    made = make_secrets(tmp_path / "secrets")
    assert f":{made['POSTGRES_PASSWORD']}@postgres:5432/airflow" in made["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    results = f"db+postgresql://celery:{made['CELERY_RESULTS_PASSWORD']}@postgres:5432/celery"
    assert made["AIRFLOW__CELERY__RESULT_BACKEND"] == results
    assert made["AIRFLOW__CELERY__BROKER_URL"] == f"redis://:{made['REDISCLI_AUTH']}@redis:6379/0"


def test_secrets_that_exist_are_never_overwritten(tmp_path: Path, make_secrets: MakeSecrets) -> None:
    made = make_secrets(tmp_path / "secrets")
    again = run_script("make-secrets.sh", tmp_path / "secrets")
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert made["REDISCLI_AUTH"] in (tmp_path / "secrets" / "redis.env").read_text()


def test_a_server_with_the_model_is_healthy_and_one_without_is_not() -> None:
    model = CannedModel(lambda file: file, model_name="brush_strokes")
    with CannedServer(lambda request: Answer(raw=model(request).on_the_wire())) as server:
        assert run_script("model-server/healthy.sh", server.port, "brush_strokes").returncode == 0
        other = run_script("model-server/healthy.sh", server.port, "brush_strokes", "other")
        assert (other.returncode, other.stderr) == (1, "no version of other is AVAILABLE\n")


def test_a_closed_port_is_not_healthy_and_no_model_is_a_mistake() -> None:
    closed = run_script("model-server/healthy.sh", free_port(), "m")
    assert closed.returncode == 1
    assert closed.stderr.endswith("is closed\n")
    assert run_script("model-server/healthy.sh", 8501).returncode == 2


def test_init_prepares_the_models_and_asks_airflow_for_the_rest(tmp_path: Path) -> None:
    """``airflow`` is a script that writes down how it was called; the cluster tests run the real one."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "airflow").write_text(
        '#!/bin/sh\necho "$*" >> "$CALLS"\n[ "$1" != users ] || sed "s/^/typed /" >> "$CALLS"\n'
    )
    (tmp_path / "bin" / "airflow").chmod(0o755)
    config = tmp_path / "models.config"
    original = (DOCKER / "models.config").read_text().replace("/models", str(tmp_path / "models"))
    config.write_text(original)
    environment = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "ADMIN_USER": "ada",
        "ADMIN_PASSWORD": "secret",
        "TENDIES_MODELS_DIR": str(tmp_path / "models"),
        "TENDIES_MODELS_CONFIG": str(config),
    }
    for _ in range(2):
        assert run_script("airflow/init.sh", environment=environment).returncode == 0
        (tmp_path / "models" / "config" / "models.config").write_text(original + "# a release was here\n")
    assert "a release was here" in (tmp_path / "models" / "config" / "models.config").read_text()
    assert all(Path(base_path).is_dir() for base_path in base_paths_of(original))
    calls = (tmp_path / "calls").read_text()
    assert "db migrate" in calls
    assert "users create --username ada --role Admin" in calls
    assert calls.count("typed secret\n") == 2 * 2, "the password and its confirmation, in each of the two runs"
    assert "--password" not in calls
    assert "pools set tf_serving 4" in calls


def test_init_says_what_it_lacks() -> None:
    without = run_script("airflow/init.sh", environment={"ADMIN_USER": "", "ADMIN_PASSWORD": ""})
    assert without.returncode != 0
    assert "say who the administrator is" in without.stderr


@pytest.mark.postgres
def test_redis_takes_its_password_from_the_environment_and_keeps_what_it_was_given(tmp_path: Path) -> None:
    port = free_port()
    told = {
        "REDISCLI_AUTH": "s3cret",
        "REDIS_DATA_DIR": str(tmp_path),
        "REDIS_PORT": str(port),
        "REDIS_BIND": "127.0.0.1",
    }
    ask = [shutil.which("redis-cli") or "redis-cli", "-p", str(port)]
    for command in (("set", "task", "queued"), ("get", "task")):
        server = subprocess.Popen(
            ["bash", DOCKER / "redis" / "start.sh"], env={**os.environ, **told}, stdout=subprocess.DEVNULL
        )
        try:
            answer = _ask_until_it_answers([*ask, *command], told)
            refused = subprocess.run([*ask, "get", "task"], capture_output=True, text=True, check=False).stdout
        finally:
            server.terminate()
            server.wait(10)
    assert answer == "queued"
    assert "NOAUTH" in refused


def _ask_until_it_answers(command: list[str], environment: Mapping[str, str]) -> str:
    deadline_s = time.monotonic() + 10
    while True:
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        if done.returncode == 0 and "LOADING" not in done.stdout:
            return done.stdout.strip()
        assert time.monotonic() < deadline_s, done.stderr
        time.sleep(0.02)
