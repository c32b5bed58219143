"""A spec with several batches, and the DAGs of a folder of specs."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction

from tendies_ops.dag_factory import (
    batch_dag,
    batch_group,
    batch_params,
    release_group,
    tendies_dag,
    tendies_dags,
)
from tendies_ops.errors import SpecError
from tendies_ops.spec import ModelSpec
from tests.support.airflow_home import run_dag
from tests.support.candidates import MODEL_NAME
from tests.support.dag_process import run_script
from tests.support.specs import write_specs
from tests.support.watching_server import WatchingServer, pictures_to_shift

BATCHES: dict[str, Any] = {
    "acme": {"input": "/data/acme", "output": "/out/acme", "size": "64x64"},
    "daily": {
        "input": "/data/{{ ds }}",
        "output": "/out/daily/{{ ds }}",
        "version": "{{ var.value.get('version', 3) }}",
        "output_format": "jpeg",
        "airflow": {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "params": {"customer": "acme"}},
    },
    "thumbnails": {"input": "/data/acme", "output": "/out/small", "airflow": {"shards": 4, "on_release": False}},
}


def spec(**sections: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "strokes", "source": {"checkpoint": "c"}, **sections})


def settings(dag: DAG) -> dict[str, Any]:
    task: Any = dag.tasks[0]
    names = ("size", "output_format", "output_quality", "allowed_inputs", "allowed_outputs")
    return {name: getattr(task, name) for name in names}


def test_each_batch_is_a_dag_with_settings_and_a_form_of_its_own() -> None:
    made = spec(batch={"output_quality": 80, "size": [8, 8]}, batches=BATCHES)
    acme, daily, small = (batch_dag(made, name) for name in made.batches_by_name())

    assert [dag.dag_id for dag in (acme, daily, small)] == [
        "tendies_batch_strokes__acme",
        "tendies_batch_strokes__daily",
        "tendies_batch_strokes__thumbnails",
    ]
    assert settings(acme) == {
        "size": (64, 64),
        "output_format": None,
        "output_quality": 80,
        "allowed_inputs": ("/data/acme",),
        "allowed_outputs": ("/out/acme",),
    }
    assert settings(daily)["size"] == (8, 8)
    assert settings(daily)["output_format"] == "jpeg"
    assert (acme.params["input"], daily.params["input"], daily.params["customer"]) == ("/data/acme", None, "acme")
    assert {task.task_id for task in small.tasks} == {"batch.plan", "batch.infer", "batch.report"}
    assert "# Pictures through strokes: daily" in (daily.doc_md or "")
    assert "* At `30 2 * * *` (Europe/Berlin)." in (daily.doc_md or "")


def test_the_events_of_a_batch_are_its_own() -> None:
    made = spec(batches=BATCHES)
    serialized = {name: str(DagSerialization.to_dict(batch_dag(made, name))) for name in BATCHES}

    for name, text in serialized.items():
        assert set(re.findall(r"tendies://(?:pictures|batch)/strokes/\w+", text)) == {
            f"tendies://pictures/strokes/{name}",
            f"tendies://batch/strokes/{name}",
        }
    assert ["tendies://model/strokes'" in text for text in serialized.values()] == [True, True, False]


def test_a_batch_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(SpecError, match=r"no batch 'night': name one of acme, daily, thumbnails"):
        batch_dag(spec(batches=BATCHES), "night")
    with pytest.raises(SpecError, match=r"several batches: name one of acme"):
        batch_dag(spec(batches=BATCHES))
    with pytest.raises(SpecError, match=r"no batch 'night'"):
        batch_dag(spec(), "night")


@pytest.mark.parametrize(("given", "version"), [({}, "3"), ({"version": "stable"}, "stable"), ({"version": 5}, "5")])
def test_every_setting_of_a_batch_may_be_a_template(given: dict[str, Any], version: str) -> None:
    dag = batch_dag(spec(batches=BATCHES), "daily")
    task: Any = dag.get_task("infer")
    values = {"get": lambda name, default: default}
    context = {
        "params": {**dag.params.dump(), **given},
        "ds": "2026-11-30",
        "var": {"value": SimpleNamespace(**values)},
    }

    task.render_template_fields({**context, "task": task, "dag": dag})

    assert (task.input_path, task.output_path, task.version) == ("/data/2026-11-30", "/out/daily/2026-11-30", version)


def test_a_value_that_a_run_lacks_names_the_key_of_the_batch() -> None:
    dag = batch_dag(spec(batches=BATCHES), "daily")
    task: Any = dag.get_task("infer")
    params = {**dag.params.dump(), "version": "1"}

    with pytest.raises(SpecError, match=r"`batches\.daily\.input` and `batches\.daily\.output` in the spec of strokes"):
        task.render_template_fields({"params": params, "dag_run": None, "task": task, "dag": dag})


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)])
def test_a_night_with_a_change_of_the_clock_has_one_run_at_the_local_time(month: int, day: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    timetable = DagSerialization.from_dict(
        DagSerialization.to_dict(batch_dag(spec(batches=BATCHES), "daily"))
    ).timetable
    last = datetime(2026, month, day, tzinfo=berlin) - timedelta(hours=22)
    found: list[datetime] = []
    for _ in range(3):
        run = timetable.next_dagrun_info(
            last_automated_data_interval=DataInterval.exact(found[-1] if found else last),  # type: ignore[arg-type]
            restriction=TimeRestriction(earliest=None, latest=None, catchup=True),
        )
        assert run is not None
        found.append(run.run_after)

    local = [moment.astimezone(berlin) for moment in found]
    assert [moment.day for moment in local] == [day - 1, day, day + 1]
    assert [moment.hour for moment in local] == [2, 3 if month == 3 else 2, 2]


@pytest.mark.usefixtures("server_connection")
def test_two_batches_of_one_model_run_with_their_own_folders(server: WatchingServer, tmp_path: Path) -> None:
    pictures_to_shift(server, tmp_path / "in" / "a", 2)
    shutil.copytree(tmp_path / "in" / "a", tmp_path / "in" / "b", ignore=lambda *_: ["0.png"])
    folders = {"input": f"{tmp_path}/in/{{{{ params.part }}}}", "airflow": {"params": {"part": "a"}}}
    made = spec(
        model_name=MODEL_NAME,
        batches={
            "one": {**folders, "output": f"{tmp_path}/out1"},
            "two": {**folders, "output": f"{tmp_path}/out2"},
        },
    )

    runs = [run_dag(batch_dag(made, "one")), run_dag(batch_dag(made, "two"), conf={"part": "b"})]

    assert [run.get_task_instance("infer").state for run in runs] == ["success", "success"]
    assert [len(list((tmp_path / name).glob("*.png"))) for name in ("out1", "out2")] == [2, 1]


def test_task_groups_do_in_a_dag_of_ones_own_what_the_dags_of_a_spec_do() -> None:
    made = spec(release={"gate": {"review": True}}, batches=BATCHES)
    form = batch_params(made.batches["acme"], {})
    with DAG("own", schedule=None, params=form) as dag:
        release_group(made, note="nightly") >> batch_group(made, "acme") >> batch_group(made, "daily", group_id="dated")

    release: Any = dag.get_task("release.release")
    assert release.upstream_task_ids == {"release.approve"}
    assert "task_ids='release.approve'" in release.approved_by
    assert "task_ids='release.export'" in release.saved_model_dir
    assert dag.get_task("batch.infer").upstream_task_ids == {"release.release"}
    assert {"dated.infer"} <= set(dag.task_ids)


MODELS = ({"model_name": "lion"}, {"model_name": "owl", "batches": BATCHES})


def test_the_dags_of_a_folder_can_be_chosen_and_named(tmp_path: Path) -> None:
    write_specs(tmp_path, *MODELS)

    assert sorted(tendies_dags(tmp_path)) == [
        *("tendies_batch_lion", "tendies_batch_owl__acme", "tendies_batch_owl__daily", "tendies_batch_owl__thumbnails"),
        *("tendies_release_lion", "tendies_release_owl", "tendies_rollback_lion", "tendies_rollback_owl"),
    ]
    assert list(tendies_dags(tmp_path, kinds=["release"], exclude=["owl*"], dag_id_prefix="team.")) == [
        "team.tendies_release_lion"
    ]
    assert list(tendies_dags(tmp_path, kinds=["rollback"], include=["owl.yaml"])) == ["tendies_rollback_owl"]
    assert tendies_dag(tmp_path / "owl.yaml", batch="daily").dag_id == "tendies_batch_owl__daily"
    assert tendies_dag(tmp_path / "lion.yaml", "rollback").dag_id == "tendies_rollback_lion"


def test_a_task_s_process_makes_the_dag_of_its_task_alone_and_parses_no_other_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_specs(tmp_path, *MODELS)
    (tmp_path / "lion.yaml").write_text("model_name: lion\nsource: [")
    for name, value in {"_AIRFLOW_PARSING_CONTEXT_DAG_ID": "tendies_batch_owl__daily"}.items():
        monkeypatch.setenv(name, value)

    script = "from tendies_ops.dag_factory import tendies_dags; import json; print(json.dumps(list(tendies_dags('x'))))"
    printed = run_script(script, specs=tmp_path)

    assert json.loads(printed[-1]) == ["tendies_batch_owl__daily"]
    assert not any("lion" in line for line in printed)


def test_the_start_of_a_schedule_is_in_its_time_zone() -> None:
    given = {"cron": "0 3 * * *", "timezone": "Europe/Berlin", "start_date": "2026-11-30"}
    dag = batch_dag(spec(batch={"airflow": given}))

    assert dag.start_date == datetime(2026, 11, 29, 23, tzinfo=timezone.utc)
