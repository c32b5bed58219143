"""docs/reference/airflow.md holds everything that a user can write or read."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

import pytest
from airflow.sdk import BaseOperator

from tendies_ops import dag_factory
from tendies_ops.inference import BatchReport
from tendies_ops.operators import arrivals, assets
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.metrics import METRICS
from tendies_ops.operators.progress_store import ProgressStore
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.review import ReviewModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.provider import CONNECTION_FIELDS
from tendies_ops.release import ReleaseReport
from tendies_ops.spec import BatchSettings, ModelSpec, ReleaseSettings
from tendies_ops.triggers.checkpoint import CheckpointTrigger
from tendies_ops.triggers.checkpoint_watch import WATERMARK_KEY
from tendies_ops.triggers.pictures import PicturesTrigger
from tendies_ops.triggers.pictures_watch import ANNOUNCED_KEY
from tests.support.airflow_home import REPOSITORY
from tests.with_airflow.test_operators import OPERATORS, own_arguments

TEXT = (REPOSITORY / "docs" / "reference" / "airflow.md").read_text(encoding="utf-8")
SHARED = {"model_server_conn_id", "servers", "retry_policy"}
#: Arguments that a table of their own describes.
SETTINGS: dict[type[BaseOperator], set[str]] = {
    BatchInferenceOperator: set(BatchSettings.model_fields),
    ReleaseModelVersionOperator: set(ReleaseSettings.model_fields),
    ReviewModelVersionOperator: set(ReleaseSettings.model_fields),
    RollbackModelVersionOperator: set(ReleaseSettings.model_fields),
}


def section(heading: str) -> str:
    """The text below a heading, down to the next of its own or a higher rank."""
    rank = heading.split(maxsplit=1)[0]
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^#{{1,{len(rank)}}} |\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, f"the reference has no section {heading}"
    return found[1]


def rows(text: str) -> dict[str, list[str]]:
    """Every word in backticks in the first cell of a table's row -> the row's cells."""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {word: row for row in cells for word in re.findall(r"`([^`]+)`", row[0])}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_argument_is_there_and_says_whether_it_is_templated(operator: type[BaseOperator]) -> None:
    documented = rows(section(f"### {operator.__name__}"))

    arguments = {parameter.name for parameter in own_arguments(operator)} - SHARED - SETTINGS.get(operator, set())
    assert set(documented) == arguments
    templated = {name for name, row in documented.items() if row[1] == "T"}
    assert templated == set(operator.template_fields) - SHARED - SETTINGS.get(operator, set())


def test_every_argument_of_the_task_group_is_there() -> None:
    arguments = set(inspect.signature(batch_inference_group).parameters) - {"shared"}

    assert set(rows(section("### batch_inference_group"))) == arguments


def test_the_shared_arguments_are_there() -> None:
    introduction = section("## Operators").split("###")[0]

    assert set(rows(introduction)) == SHARED


def test_every_connection_field_is_there_with_its_default() -> None:
    documented = rows(section("## Connection"))

    assert set(documented) == {"host", "port", "login", "password", *CONNECTION_FIELDS}
    for name, field in CONNECTION_FIELDS.items():
        default = field["schema"].get("default")
        if default is not None:
            assert documented[name][3] == str(default).lower(), name


@pytest.mark.parametrize(
    ("operator", "keys"),
    [
        (
            ReleaseModelVersionOperator,
            {f.name for f in dataclasses.fields(ReleaseReport)} | {"servers", "seconds_to_available", "note"},
        ),
        (BatchInferenceOperator, {f.name for f in dataclasses.fields(BatchReport)} - {"failures", "notes"}),
        (
            ExportSavedModelOperator,
            {"model_name", "saved_model_dir", "model_digest", "checkpoint", "checkpoint_digest", "step"},
        ),
        (
            ReviewModelVersionOperator,
            {"model_name", "model_digest", "model_base_path", "live_version", "images", "breaches", "markdown"},
        ),
    ],
)
def test_every_key_of_the_xcom_is_there(operator: type[BaseOperator], keys: set[str]) -> None:
    xcom = section(f"### {operator.__name__}").partition("XCom `return_value`")[2]

    assert keys <= set(re.findall(r"`([a-z_]+)`", xcom))


def test_every_asset_is_there() -> None:
    functions = [value for name, value in vars(assets).items() if name.endswith("_asset")]

    assert {function("<model>").uri for function in functions} <= set(rows(section("## Assets")))


def test_every_key_of_the_state_stores_is_there() -> None:
    text = section("## Assets")

    for key in (WATERMARK_KEY, ANNOUNCED_KEY, arrivals.TAKEN_KEY, assets.DEPLOYED_KEY, ProgressStore.KEY):
        assert f"`{key}`" in text


def test_every_metric_is_there_and_nothing_else() -> None:
    documented = rows(section("## Metrics"))

    assert set(documented) == set(METRICS)
    for name, row in documented.items():
        assert METRICS[name].startswith(row[1]), name


def test_every_argument_of_what_makes_the_dags_of_a_folder_is_there() -> None:
    assert set(inspect.signature(dag_factory.tendies_dags).parameters) <= set(rows(section("## DAGs of a model spec")))


def test_every_argument_of_the_watcher_s_trigger_is_there() -> None:
    _, of_checkpoints = CheckpointTrigger(directory="d", model_name="m").serialize()
    _, of_pictures = PicturesTrigger(place="p", model_name="m").serialize()

    assert set(rows(section("## Triggers"))) == {*of_checkpoints, *of_pictures}


@pytest.mark.parametrize("kind", ["release", "batch", "rollback"])
def test_every_dag_and_every_field_of_its_form_is_there(kind: str) -> None:
    spec = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}})
    dag: Any = getattr(dag_factory, f"{kind}_dag")(spec)
    row = rows(section("## DAGs of a model spec"))[f"tendies_{kind}_<model>"]

    assert dag.dag_id == f"tendies_{kind}_m"
    assert set(re.findall(r"`([a-z_]+)`", row[2] if len(row) > 2 else "")) == set(dag.params)
