"""A batch as a task group: planned, mapped, reported once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from tendies_ops.dag_factory import batch_dag
from tendies_ops.errors import UsageError
from tendies_ops.operators.assets import batch_asset
from tendies_ops.operators.shards import batch_inference_group
from tendies_ops.spec import ModelSpec
from tests.support.airflow_home import run_dag
from tests.support.candidates import MODEL_NAME, picture
from tests.support.watching_server import WatchingServer, pictures_to_shift

pytestmark = pytest.mark.usefixtures("server_connection")


@pytest.fixture
def pictures(server: WatchingServer, tmp_path: Path) -> Path:
    return pictures_to_shift(server, tmp_path / "pictures", 20)


def run_group(dag_id: str, pictures: Path, **arguments: Any) -> Any:
    with DAG(dag_id) as dag:
        batch_inference_group(
            input_path=str(pictures),
            output_path=str(pictures.parent / "results"),
            model_name=MODEL_NAME,
            pictures_per_shard=6,
            outlets=[batch_asset(MODEL_NAME)],
            **arguments,
        )
    return run_dag(dag)


def test_a_group_does_every_picture_once_and_reports_once(pictures: Path) -> None:
    run = run_group("group_all", pictures)

    assert run.state == "success"
    plan = run.get_task_instance("batch.plan").xcom_pull(task_ids="batch.plan")
    assert [shard["index"] for shard in plan] == [0, 1, 2, 3]
    summary = run.get_task_instance("batch.report").xcom_pull(task_ids="batch.report")
    assert (summary["total"], summary["done"], summary["failed"], summary["version"]) == (20, 20, 0, 1)
    assert len(list((pictures.parent / "results").glob("*.png"))) == 20
    assert Path(summary["paths"]["contact_sheet"]).is_file()


def test_mapped_tasks_have_names_that_people_can_read(pictures: Path) -> None:
    run = run_group("group_names", pictures)

    names = [ti.rendered_map_index for ti in run.get_task_instances() if ti.task_id == "batch.infer"]
    assert sorted(names) == [f"shard {number} of 4" for number in range(1, 5)]


def test_too_many_failures_over_all_shards_are_red_in_the_report_alone(pictures: Path) -> None:
    for number in range(3):
        (pictures / f"broken{number}.png").write_bytes(picture(9)[:40])

    run = run_group("group_strict", pictures, max_failed=2)

    states = {(ti.task_id, ti.map_index): ti.state for ti in run.get_task_instances()}
    assert {state for (task_id, _), state in states.items() if task_id == "batch.infer"} == {"success"}
    assert states["batch.report", -1] == "failed"


def test_shards_whose_pictures_nearly_all_fail_fail_by_default_in_the_report(pictures: Path) -> None:
    for number in range(40):
        (pictures / f"broken{number}.png").write_bytes(picture(9)[:40])

    run = run_group("group_default", pictures)

    states = {(ti.task_id, ti.map_index): ti.state for ti in run.get_task_instances()}
    assert {state for (task_id, _), state in states.items() if task_id == "batch.infer"} == {"success"}
    assert states["batch.report", -1] == "failed"


def test_a_plan_that_fails_is_red(pictures: Path) -> None:
    run = run_group("group_no_version", pictures, version=9)

    assert run.state == "failed"


def test_a_spec_with_shards_makes_a_group(pictures: Path) -> None:
    spec = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, "airflow": {"shards": 4}})

    assert set(batch_dag(spec).task_ids) == {"batch.plan", "batch.infer", "batch.report"}


def test_an_object_store_without_pictures_may_be_allowed(pictures: Path) -> None:
    def run(*, allow_empty: bool) -> Any:
        with DAG(f"group_empty_{allow_empty}") as dag:
            batch_inference_group(
                input_path="memory://nothing/today",
                output_path=str(pictures.parent / "results"),
                model_name=MODEL_NAME,
                allow_empty=allow_empty,
            )
        return run_dag(dag)

    assert run(allow_empty=True).state == "success"
    assert run(allow_empty=False).state == "failed"


@pytest.mark.parametrize("shards", [0, 1025])
def test_more_shards_than_airflow_maps_are_refused_when_the_dag_is_parsed(shards: int, pictures: Path) -> None:
    with pytest.raises(UsageError, match="must be from 1 to 1024"), DAG("group_wrong"):
        batch_inference_group(input_path="i", output_path="o", model_name="m", shards=shards)
