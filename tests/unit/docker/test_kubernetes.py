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
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["securityContext"]["runAsNonRoot"]
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert "memory" in container["resources"]["limits"]
    assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in POD["volumes"]}


def test_every_claim_that_is_named_is_made_and_can_be_shared() -> None:
    named = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in (*POD["volumes"], *VALUES["workers"]["extraVolumes"])
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


@pytest.mark.parametrize(("part", "service"), [("workers", "worker-1"), ("apiServer", "api-server")])
def test_a_pod_of_airflow_mounts_what_its_service_of_compose_does(part: str, service: str) -> None:
    mounted = {mount["mountPath"]: mount.get("readOnly", False) for mount in VALUES[part]["extraVolumeMounts"]}
    in_compose = containers.services()[service]["volumes"]
    paths = {text.split(":")[1]: text.endswith(":ro") for text in in_compose}
    del paths["/opt/airflow/logs"]  # the chart keeps the logs itself
    assert mounted == paths


def test_model_servers_take_connections_from_airflow_and_prometheus_only() -> None:
    policy = OBJECTS["NetworkPolicy", "model-server"]["spec"]
    assert policy["podSelector"]["matchLabels"] == SET["template"]["metadata"]["labels"]
    assert policy["egress"] == []
    [rule] = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == [SERVICE["ports"][0]["port"]]
    assert all("podSelector" in peer for peer in rule["from"])


def test_model_servers_hold_no_token_of_the_cluster() -> None:
    assert POD["automountServiceAccountToken"] is False


def test_no_secret_stands_in_the_values() -> None:
    text = (DOCKER / "helm-values.yaml").read_text(encoding="utf-8")
    assert not re.search(r"^ *(?:fernetKey|apiSecretKey|jwtSecret|pass|password|brokerUrl):", text, re.MULTILINE)


def _settings(text: str) -> list[str]:
    """The words of a text proto, without comments."""
    return " ".join(line for line in text.splitlines() if not line.strip().startswith("#")).split()
