"""What docker/ tells Airflow, held against the Airflow that is pinned: options, commands, connection, specs."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator

import pytest

from tests.support import containers
from tests.support.airflow_home import use_own_airflow

use_own_airflow()

from airflow.cli.cli_parser import get_parser  # noqa: E402 # after the home is set
from airflow.configuration import conf  # noqa: E402
from airflow.executors.base_executor import BaseExecutor  # noqa: E402
from airflow.executors.executor_loader import ExecutorLoader  # noqa: E402
from airflow.models.connection import Connection  # noqa: E402

from tendies_ops.dag_factory import batch_dag, release_dag  # noqa: E402
from tendies_ops.hooks.model_server import read_connection  # noqa: E402
from tendies_ops.spec import load_indexed_specs  # noqa: E402

AIRFLOW = containers.airflow_services()
ENVIRONMENTS = {"compose": AIRFLOW["scheduler"]["environment"], "helm": containers.helm_environment()}


def airflow_options() -> Iterator[tuple[str, str]]:
    """Section and option of everything that is set, by name of a variable or in the chart's `config`."""
    for name in ENVIRONMENTS["compose"]:
        if name.startswith("AIRFLOW__"):
            section, _, option = name.removeprefix("AIRFLOW__").lower().partition("__")
            yield section, option
    for section, options in containers.helm_values()["config"].items():
        yield from ((section, option) for option in options)


@pytest.mark.parametrize(("section", "option"), sorted(set(airflow_options())))
def test_airflow_knows_every_option_that_is_set(section: str, option: str) -> None:
    assert option in conf.configuration_description[section]["options"]


@pytest.mark.parametrize("name", AIRFLOW)
def test_airflow_knows_every_command_of_a_service_and_of_its_healthcheck(name: str) -> None:
    service = AIRFLOW[name]
    for words in (service["command"], service.get("healthcheck", {}).get("test", [])[1:]):
        if words[:1] == ["airflow"]:
            get_parser().parse_args(words[1:])


def test_the_pinned_packages_make_the_executor() -> None:
    place = ExecutorLoader.executors[ENVIRONMENTS["compose"]["AIRFLOW__CORE__EXECUTOR"]]
    module, _, name = place.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), name), BaseExecutor)


@pytest.mark.parametrize("where", ENVIRONMENTS)
def test_the_connection_reads_as_two_replicas_and_a_base_path(where: str) -> None:
    told = json.loads(ENVIRONMENTS[where]["AIRFLOW_CONN_TF_SERVING_DEFAULT"])
    connection = read_connection(Connection(conn_id="tf_serving_default", **told))
    assert len(connection.servers) == 2
    assert all(server.startswith("http://model-server-") for server in connection.servers)
    assert connection.base_path_of("m") == "/models/m"


def test_the_specs_of_the_image_make_dags_in_the_pool_that_init_makes() -> None:
    init = (containers.DOCKER / "airflow" / "init.sh").read_text(encoding="utf-8")
    for spec in load_indexed_specs(containers.DOCKER / "specs"):
        assert set(batch_dag(spec).task_ids) == {"batch.plan", "batch.infer", "batch.report"}
        assert release_dag(spec).task_ids
        assert f"airflow pools set {spec.airflow.pool} " in init


def test_the_specs_of_the_image_name_files_of_the_examples() -> None:
    repository = containers.DOCKER.parent
    for spec in load_indexed_specs(containers.DOCKER / "specs"):
        in_image = os.fspath(spec.source.checkpoint)
        assert (repository / in_image.removeprefix("/opt/airflow/")).is_file()
