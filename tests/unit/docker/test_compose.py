"""compose.yaml, held against the code and the other files that it refers to."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tendies_ops.release.swap.model_config import read_entry
from tendies_ops.server.flags import parse_flags
from tendies_ops.spec import load_indexed_specs
from tests.support import containers
from tests.support.containers import DOCKER, command_of, mounts_of

SERVICES = containers.services()
AIRFLOW = containers.airflow_services()
MODEL_SERVERS = containers.model_servers()
ENVIRONMENT: dict[str, str] = SERVICES["scheduler"]["environment"]
ENDS_BY_ITSELF = "init"


def listening_port(name: str) -> int:
    """The port that a service listens on, as its own command, image or settings say."""
    told = [re.search(r"(?:rest_api_port=|listen-address=:)(\d+)", word) for word in command_of(SERVICES[name])]
    known = {"api-server": int(ENVIRONMENT["AIRFLOW__API__PORT"]), "prometheus": 9090}
    return next((int(match.group(1)) for match in told if match), known.get(name, 0))


def test_the_issue_of_services_is_whole() -> None:
    wanted = {"postgres", "redis", "api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2"}
    assert wanted <= set(SERVICES)
    assert len(MODEL_SERVERS) == 2
    assert {"statsd-exporter", "prometheus"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_pinned_image_and_few_rights(name: str) -> None:
    service = SERVICES[name]
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert re.match(r"v?\d+\.\d+", tag)
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert service["mem_limit"]
    assert service["pids_limit"]
    runs_as_nobody_by_itself = image.startswith("prom/")
    assert runs_as_nobody_by_itself or not str(service["user"]).startswith(("0", "root"))


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {ENDS_BY_ITSELF}))
def test_a_service_that_stays_has_a_healthcheck(name: str) -> None:
    test = SERVICES[name]["healthcheck"]["test"]
    assert test[0] in {"CMD", "CMD-SHELL"}
    assert len(test) > 1


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_come_about(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        if wait["condition"] == "service_completed_successfully":
            assert other == ENDS_BY_ITSELF
        else:
            assert "healthcheck" in SERVICES[other]
            assert other not in MODEL_SERVERS, "they are not healthy before the first release"


@pytest.mark.parametrize("name", SERVICES)
def test_a_mount_has_a_source(name: str) -> None:
    for source in mounts_of(SERVICES[name]).values():
        if source.startswith("."):
            assert (DOCKER / source).is_dir()
        else:
            assert source in containers.read_compose()["volumes"]


@pytest.mark.parametrize("name", MODEL_SERVERS)
def test_model_server_knows_every_flag_and_finds_every_file(name: str) -> None:
    program, *flags = command_of(MODEL_SERVERS[name])
    assert program == "tensorflow_model_server"
    parsed = parse_flags(flags)
    assert parsed.unknown == ()
    mounts = mounts_of(MODEL_SERVERS[name])
    monitoring = PurePosixPath(parsed.flags.monitoring_config_file)
    assert (DOCKER / mounts[str(monitoring.parent)] / monitoring.name).is_file()
    assert mounts["/models"] == mounts_of(SERVICES["worker-1"])["/models"]
    assert parsed.flags.model_config_file_poll_wait_seconds > 0


def test_releases_change_the_file_that_the_servers_poll() -> None:
    polled = {parse_flags(command_of(one)[1:]).flags.model_config_file for one in MODEL_SERVERS.values()}
    models_config = (DOCKER / "models.config").read_text(encoding="utf-8")
    for spec in load_indexed_specs(DOCKER / "specs"):
        assert {str(spec.release.model_config_file)} == polled
        assert read_entry(models_config, spec.model_name).base_path == f"/models/{spec.model_name}"


def test_the_connection_names_every_replica_at_its_port() -> None:
    connection = ENVIRONMENT["AIRFLOW_CONN_TF_SERVING_DEFAULT"]
    assert containers.hosts_of(connection) == [(name, listening_port(name)) for name in MODEL_SERVERS]
    assert json.loads(connection)["extra"]["model_base_path"] == "/models/{model_name}"


@pytest.mark.parametrize("name", SERVICES)
def test_an_address_names_a_service_at_a_port_where_it_listens(name: str) -> None:
    service = SERVICES[name]
    words = [*map(str, service.get("environment", {}).values()), *service.get("healthcheck", {}).get("test", [])]
    for word in words:
        for url in re.findall(r"https?://[\w.-]+:\d+", word):
            parts = urlsplit(url)
            listener = name if parts.hostname == "localhost" and name in {"prometheus", "statsd-exporter"} else ""
            host = listener or ("api-server" if parts.hostname == "localhost" else str(parts.hostname))
            scheduler_port = int(ENVIRONMENT["AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT"])
            assert parts.port in {listening_port(host), scheduler_port if name == "scheduler" else None}


def test_prometheus_asks_ports_that_are_open_and_the_path_that_model_server_has() -> None:
    config = yaml.safe_load((DOCKER / "monitoring" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    for job in jobs.values():
        for target in job["static_configs"][0]["targets"]:
            host, _, port = target.partition(":")
            assert listening_port(host) == int(port)
    monitoring = (DOCKER / "model-server" / "monitoring.config").read_text(encoding="utf-8")
    assert f'path: "{jobs["model_server"]["metrics_path"]}"' in monitoring


def test_airflow_sends_metrics_to_where_the_exporter_listens() -> None:
    host, port = (ENVIRONMENT[f"AIRFLOW__METRICS__STATSD_{name}"] for name in ("HOST", "PORT"))
    assert f"--statsd.listen-udp=:{port}" in command_of(SERVICES[host])


def test_only_the_pages_and_the_metrics_are_published_and_to_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"api-server", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_no_secret_stands_in_the_file(tmp_path: Path, make_secrets: Any) -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    for name, value in make_secrets(tmp_path / "secrets").items():
        if "PASSWORD" in name or "KEY" in name or "SECRET" in name or "AUTH" in name:
            assert value not in text
            assert f"{name}:" not in text


def test_every_environment_file_is_one_that_make_secrets_writes(tmp_path: Path, make_secrets: Any) -> None:
    make_secrets(tmp_path / "secrets")
    named = {file for service in SERVICES.values() for file in service.get("env_file", [])}
    assert named == {f"secrets/{path.name}" for path in (tmp_path / "secrets").iterdir()}


@pytest.mark.parametrize("name", AIRFLOW)
def test_a_service_of_airflow_has_the_shared_settings_and_sees_the_models(name: str) -> None:
    assert ENVIRONMENT.items() <= AIRFLOW[name]["environment"].items()
    assert "/models" in mounts_of(AIRFLOW[name])


@pytest.mark.parametrize("name", AIRFLOW)
def test_only_workers_and_init_write_models(name: str) -> None:
    [models] = [text for text in AIRFLOW[name]["volumes"] if text.startswith("models:")]
    assert models.endswith(":ro") != (name.startswith("worker") or name == ENDS_BY_ITSELF)


@pytest.mark.parametrize("name", AIRFLOW)
def test_only_the_control_plane_has_the_keys_and_the_metadata_database(
    name: str, tmp_path: Path, make_secrets: Any
) -> None:
    make_secrets(tmp_path / "secrets")
    given = [line.partition("=")[0] for file in AIRFLOW[name]["env_file"] for line in _lines(tmp_path / file)]
    keys = {name for name in given if re.search(r"FERNET|SECRET|SQL_ALCHEMY", name)}
    assert bool(keys) != name.startswith("worker")


def test_workers_log_in_to_the_database_of_results_only(tmp_path: Path, make_secrets: Any) -> None:
    made = make_secrets(tmp_path / "secrets")
    worker = (tmp_path / "secrets" / "worker.env").read_text()
    assert made["POSTGRES_PASSWORD"] not in worker
    assert f"celery:{made['CELERY_RESULTS_PASSWORD']}@postgres:5432/celery" in worker


def test_model_servers_share_no_network_with_the_database_and_the_broker() -> None:
    stores = {network for name in ("postgres", "redis") for network in SERVICES[name]["networks"]}
    for name in MODEL_SERVERS:
        assert not stores & set(SERVICES[name]["networks"])
        assert all(
            containers.read_compose()["networks"][network] == {"internal": True}
            for network in SERVICES[name]["networks"]
        )


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()
