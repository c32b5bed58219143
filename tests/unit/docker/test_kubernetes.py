"""The Kubernetes files, held against compose.yaml and the code: both describe the same installation."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tendies_ops.server.flags import parse_flags
from tests.support import containers
from tests.support.containers import DOCKER, command_of

OBJECTS = {(one["kind"], one["metadata"]["name"]): one for one in containers.kubernetes_objects()}
SET: dict[str, Any] = OBJECTS["StatefulSet", "model-server"]["spec"]
POD: dict[str, Any] = SET["template"]["spec"]
SERVER: dict[str, Any] = POD["containers"][0]
SERVICE: dict[str, Any] = OBJECTS["Service", "model-server"]["spec"]
VALUES = containers.helm_values()


def test_the_servers_run_as_in_compose() -> None:
    [compose] = {tuple(command_of(one)) for one in containers.model_servers().values()}
    assert tuple(SERVER["command"]) == compose
    assert {SERVER["image"]} == {one["image"] for one in containers.model_servers().values()}


def test_the_service_finds_the_pods_at_the_port_of_the_rest_api() -> None:
    port = parse_flags(SERVER["command"][1:]).flags.rest_api_port
    assert SERVICE["selector"] == SET["template"]["metadata"]["labels"] == SET["selector"]["matchLabels"]
    assert SERVICE["ports"][0]["port"] == SERVER["ports"][0]["containerPort"] == port
    assert SERVICE["publishNotReadyAddresses"], "the first release waits for servers that are not ready"
    assert SET["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(port)


def test_the_connection_names_every_pod() -> None:
    hosts = containers.hosts_of(containers.helm_environment()["AIRFLOW_CONN_TF_SERVING_DEFAULT"])
    port = SERVICE["ports"][0]["port"]
    assert hosts == [(f"model-server-{number}.{SET['serviceName']}", port) for number in range(SET["replicas"])]


def test_the_config_files_are_those_of_compose() -> None:
    given = OBJECTS["ConfigMap", "model-server"]["data"]
    assert _settings(given["monitoring.config"]) == _settings((DOCKER / "model-server/monitoring.config").read_text())
    assert _settings(given["models.config"]) == _settings((DOCKER / "models.config").read_text())
    [first_content] = POD["initContainers"]
    for base_path in containers.base_paths_of(given["models.config"]):
        assert base_path in first_content["command"][-1]


@pytest.mark.parametrize("container", [SERVER, *POD["initContainers"]], ids=lambda one: one["name"])
def test_a_container_has_few_rights_and_its_volumes_exist(container: dict[str, Any]) -> None:
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert POD["securityContext"]["runAsNonRoot"]
    assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in POD["volumes"]}


def test_every_claim_that_is_named_is_made_and_can_be_shared() -> None:
    named = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in (*POD["volumes"], *VALUES["volumes"])
        if "persistentVolumeClaim" in volume
    }
    claims = {name: one["spec"] for (kind, name), one in OBJECTS.items() if kind == "PersistentVolumeClaim"}
    assert named == set(claims)
    assert all(spec["accessModes"] == ["ReadWriteMany"] for spec in claims.values())


def test_airflow_is_the_image_and_the_version_of_compose() -> None:
    [image] = {service["image"] for service in containers.airflow_services().values()}
    assert f"{VALUES['defaultAirflowRepository']}:{VALUES['defaultAirflowTag']}" == image
    dockerfile = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    assert f"FROM apache/airflow:{VALUES['airflowVersion']}-" in dockerfile


def test_pods_of_airflow_see_what_the_services_of_compose_see() -> None:
    mounted = {mount["mountPath"] for mount in VALUES["volumeMounts"]}
    in_compose = containers.mounts_of(containers.services()["worker-1"])
    assert mounted == set(in_compose) - {"/opt/airflow/logs"}  # the chart keeps the logs itself


def test_no_secret_stands_in_the_values() -> None:
    text = (DOCKER / "helm-values.yaml").read_text(encoding="utf-8")
    assert not re.search(r"^ *(?:fernetKey|apiSecretKey|jwtSecret|pass|password|brokerUrl):", text, re.MULTILINE)


def _settings(text: str) -> list[str]:
    """The words of a text proto, without comments."""
    return " ".join(line for line in text.splitlines() if not line.strip().startswith("#")).split()
