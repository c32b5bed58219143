"""Reads docker/: what compose.yaml and the Kubernetes files say, as Docker and Kubernetes would take it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DOCKER = Path(__file__).resolve().parents[2] / "docker"


@cache
def read_compose() -> dict[str, Any]:
    """The compose file, anchors and merges resolved."""
    document: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return document


def services() -> dict[str, dict[str, Any]]:
    """Every service of the compose file."""
    found: dict[str, dict[str, Any]] = read_compose()["services"]
    return found


def airflow_services() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: service for name, service in services().items() if service["image"].startswith("tendies-airflow:")}


def model_servers() -> dict[str, dict[str, Any]]:
    """The services that run TensorFlow Serving."""
    return {name: one for name, one in services().items() if one["image"].startswith("tensorflow/serving:")}


def command_of(service: dict[str, Any]) -> list[str]:
    """Entry point and command, one after the other."""
    return [*service.get("entrypoint", []), *service.get("command", [])]


def mounts_of(service: dict[str, Any]) -> dict[str, str]:
    """Path in the container -> volume or host path."""
    return {parts[1]: parts[0] for parts in (text.split(":") for text in service.get("volumes", []))}


def kubernetes_objects() -> Iterator[dict[str, Any]]:
    """Every object of docker/kubernetes/."""
    for path in sorted((DOCKER / "kubernetes").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


@cache
def helm_values() -> dict[str, Any]:
    """The values file of the Helm chart."""
    values: dict[str, Any] = yaml.safe_load((DOCKER / "helm-values.yaml").read_text(encoding="utf-8"))
    return values


def helm_environment() -> dict[str, str]:
    """The environment that the values file gives to all pods of Airflow."""
    return {entry["name"]: entry["value"] for entry in helm_values()["env"]}


def hosts_of(connection: str) -> list[tuple[str, int]]:
    """The replicas that an ``AIRFLOW_CONN_...`` in JSON names."""
    pairs = (host.partition(":") for host in json.loads(connection)["host"].split(","))
    return [(name, int(port)) for name, _, port in pairs]


def base_paths_of(models_config: str) -> list[str]:
    """The base paths in the text of a models.config."""
    return re.findall(r'^ *base_path: "(.*)"', models_config, re.MULTILINE)
