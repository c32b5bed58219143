"""Every key that a spec has about its DAGs arrives in Airflow, and everything that an operator accepts has a key."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.configuration import conf
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.definitions._internal.templater import FILTERS as AIRFLOW_FILTERS
from airflow.sdk.definitions.callback import AsyncCallback, SyncCallback
from airflow.sdk.definitions.context import KNOWN_CONTEXT_KEYS
from airflow.serialization.serialized_objects import DagSerialization
from pydantic import ValidationError

from tendies_ops.dag_factory import batch_dag, release_dag, rollback_dag
from tendies_ops.dag_factory.dag_arguments import task_argument_names
from tendies_ops.errors import SpecError
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.operators.review import ApproveReleaseOperator, ReviewModelVersionOperator
from tendies_ops.operators.rollback import RollbackModelVersionOperator
from tendies_ops.operators.shards import BatchShardOperator, FinishShardsOperator, PlanShardsOperator
from tendies_ops.sensors.model_version import ModelVersionSensor
from tendies_ops.spec import BatchDagSettings, BatchSettings, DagSettings, ModelSpec, ReleaseSettings
from tendies_ops.spec.templates import FILTERS, KNOWN_NAMES
from tests.unit.spec.test_spec_reference import keys_of

Finder = Callable[[DAG], Any]


def spec(**sections: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "strokes", "source": {"checkpoint": "c"}, **sections})


def of_tasks(name: str) -> Finder:
    def find(dag: DAG) -> Any:
        values = [getattr(task, name) for task in dag.tasks]
        assert all(value == values[0] for value in values)
        return values[0]

    return find


def of_plan(name: str) -> Finder:
    return lambda dag: getattr(dag.get_task("batch.plan"), name)


def watchers_of(dag: DAG) -> list[dict[str, Any]]:
    condition: Any = dag.timetable.asset_condition
    return [one.trigger.serialize()[1] for asset in condition.objects for one in asset.watchers]


TOLD = {"call": "tests.support.notified.Told", "arguments": {"text": "{{ run_id }}"}}
#: Key -> value in the spec, what to find it by, and what it is there.
DAG_SETTINGS: dict[str, tuple[Any, Finder, Any]] = {
    "owner": ("ada", of_tasks("owner"), "ada"),
    "tags": (["night"], lambda dag: set(dag.tags), {"tendies", "night"}),
    "description": ("Paints.", lambda dag: "Paints." in f"{dag.doc_md}{dag.description}", True),
    "display_name": ("Strokes", lambda dag: dag.dag_display_name, "Strokes"),
    "server_conn_id": ("other", of_tasks("model_server_conn_id"), "other"),
    "retries": (7, of_tasks("retries"), 7),
    "retry_delay_s": (1.5, of_tasks("retry_delay"), timedelta(seconds=1.5)),
    "retry_exponential_backoff": (2, of_tasks("retry_exponential_backoff"), 2),
    "max_retry_delay_s": (60, of_tasks("max_retry_delay"), timedelta(minutes=1)),
    "execution_timeout_s": (90, of_tasks("execution_timeout"), timedelta(seconds=90)),
    "queue": ("gpu", of_tasks("queue"), "gpu"),
    "pool": ("tf_serving", of_tasks("pool"), "tf_serving"),
    "pool_slots": (2, of_tasks("pool_slots"), 2),
    "priority_weight": (77, of_tasks("priority_weight"), 77),
    "executor": ("LocalExecutor", of_tasks("executor"), "LocalExecutor"),
    "executor_config": (
        {"pod_template_file": "/p.yaml"},
        of_tasks("executor_config"),
        {"pod_template_file": "/p.yaml"},
    ),
    "default_args": ({"do_xcom_push": False}, of_tasks("do_xcom_push"), False),
    "timezone": ("Europe/Berlin", lambda dag: str(dag.timezone), "Europe/Berlin"),
    "start_date": ("2026-01-01", lambda dag: dag.start_date, datetime(2026, 1, 1, tzinfo=timezone.utc)),
    "end_date": ("2027-01-01T12:00:00+01:00", lambda dag: dag.end_date, datetime(2027, 1, 1, 11, tzinfo=timezone.utc)),
    "catchup": (True, lambda dag: dag.catchup, True),
    "max_active_runs": (3, lambda dag: dag.max_active_runs, 3),
    "max_active_tasks": (5, lambda dag: dag.max_active_tasks, 5),
    "max_consecutive_failed_runs": (4, lambda dag: dag.max_consecutive_failed_dag_runs, 4),
    "run_timeout_s": (3600, lambda dag: dag.dagrun_timeout, timedelta(hours=1)),
    "is_paused_upon_creation": (False, lambda dag: dag.is_paused_upon_creation, False),
    "owner_links": ({"tendies": "https://a.example"}, lambda dag: dag.owner_links, {"tendies": "https://a.example"}),
    "access_control": ({"Viewer": {"DAGs": ["can_read"]}}, lambda dag: dag.access_control is not None, True),
    "notify": ({"on_failure": TOLD}, lambda dag: vars(dag)["on_failure_callback"][0].text, "{{ run_id }}"),
}
BATCH_DAG_SETTINGS: dict[str, tuple[Any, Finder, Any]] = {
    "cron": ("0 3 * * *", lambda dag: dag.timetable.timetable.expression, "0 3 * * *"),  # type: ignore[union-attr]
    "on_release": (
        False,
        lambda dag: "tendies://model" in str(DagSerialization.to_dict(dag)["dag"]["timetable"]),
        False,
    ),
    "watch_input": (True, lambda dag: len(watchers_of(dag)), 1),
    "watch_interval_s": (4, lambda dag: watchers_of(dag)[0]["poll_interval_s"], 4),
    "watch_quiet_s": (5, lambda dag: watchers_of(dag)[0]["quiet_s"], 5),
    "watch_every_s": (6, lambda dag: watchers_of(dag)[0]["every_s"], 6),
    "params": ({"customer": "acme"}, lambda dag: dag.params["customer"], "acme"),
    "shards": (4, of_plan("max_shards"), 4),
    "pictures_per_shard": (9, of_plan("pictures_per_shard"), 9),
    "mib_per_shard": (2, of_plan("bytes_per_shard"), 2 << 20),
}


def test_every_key_has_a_value_to_try() -> None:
    assert set(DAG_SETTINGS) == set(DagSettings.model_fields)
    assert set(BATCH_DAG_SETTINGS) == set(BatchDagSettings.model_fields) - set(DagSettings.model_fields)


@pytest.mark.parametrize("name", DAG_SETTINGS)
@pytest.mark.parametrize("kind", ["release", "rollback", "batch"])
def test_a_key_of_one_dag_arrives_in_that_dag_alone(kind: str, name: str) -> None:
    value, find, expected = DAG_SETTINGS[name]
    given: dict[str, Any] = {name: value}
    if name == "catchup":
        given["start_date"] = "2026-01-01"
    made = spec(batch={"airflow": given}) if kind == "batch" else spec(airflow={kind: given})
    dags = {"release": release_dag(made), "rollback": rollback_dag(made), "batch": batch_dag(made)}

    assert find(dags.pop(kind)) == expected
    without = {"release": release_dag(spec()), "rollback": rollback_dag(spec()), "batch": batch_dag(spec())}
    for other, dag in dags.items():
        assert DagSerialization.to_dict(dag) == DagSerialization.to_dict(without[other])


@pytest.mark.parametrize("name", sorted(set(DAG_SETTINGS) - {"pool", "pool_slots", "priority_weight"}))
def test_a_key_of_the_whole_section_arrives_in_every_dag(name: str) -> None:
    value, find, expected = DAG_SETTINGS[name]
    made = spec(airflow={"start_date": "2026-01-01", name: value})

    assert [find(dag) for dag in (release_dag(made), rollback_dag(made), batch_dag(made))] == [expected] * 3


@pytest.mark.parametrize("name", BATCH_DAG_SETTINGS)
def test_a_key_of_a_batch_arrives_in_its_dag(name: str) -> None:
    value, find, expected = BATCH_DAG_SETTINGS[name]

    batch = {"input": "/in", "output": "/out", "airflow": {"shards": 2, "watch_input": True, name: value}}

    assert find(batch_dag(spec(batch=batch))) == expected
    assert find(batch_dag(spec(batches={"night": batch, "day": {}}), "night")) == expected


#: An argument of an operator -> the key of the spec that it is made from, if that has another name.
KEYS = {
    "spec": "model_name",
    "model_name": "model_name",
    "checkpoint": "source.checkpoint",
    "allowed_checkpoints": "source.allowed_checkpoints",
    "output_dir": "release.model_base_path",
    "model_base_path": "release.model_base_path",
    "python": "airflow.python",
    "timeout_s": "airflow.export_timeout_s",
    "allow_operations": "source.allow_operations",
    "rehearse": "airflow.rehearse",
    "deferrable": "airflow.deferrable",
    "approved_by": "release.gate.review",
    "saved_model_dir": "release.model_base_path",
    "options": "release",
    "servers": "release.servers",
    "model_server_conn_id": "airflow.server_conn_id",
    "retry_policy": "airflow.retries",
    "input_path": "batch.input",
    "output_path": "batch.output",
    "allowed_inputs": "batch.allowed_inputs",
    "allowed_outputs": "batch.allowed_outputs",
    "partition_key": "batch.partitions.every",
    "max_shards": "airflow.shards",
    "pictures_per_shard": "batch.airflow.pictures_per_shard",
    "bytes_per_shard": "batch.airflow.mib_per_shard",
    "notifiers": "airflow.notify.on_approval",
    **{name: f"release.{name}" for name in ReleaseSettings.model_fields},
    **{name: f"batch.{name}" for name in BatchSettings.model_fields},
    **{name: f"release.gate.{name}" for name in ("min_ssim", "max_change", "review")},
    **{name: f"release.limits.{name}" for name in ("max_failed_requests", "max_p99_ms", "max_seconds_to_available")},
    **{name: f"airflow.{name}" for name in ("owner", "retries", "queue", "pool", "pool_slots", "executor")},
    **{name: f"airflow.{name}" for name in ("priority_weight", "executor_config", "retry_exponential_backoff")},
    **{name: f"airflow.{name}_s" for name in ("retry_delay", "max_retry_delay", "execution_timeout")},
}
#: What the DAG itself decides, or each run.
OF_THE_DAG = {"task_id", "dag", "task_group", "default_args", "inlets", "outlets", "kwargs", "self", "shard"} | {
    "plan_task_id", "shard_task_id", "note", "reason", "to_version", "requests", "subject", "body"
}  # fmt: skip
OPERATORS = [
    ExportSavedModelOperator,
    ReviewModelVersionOperator,
    ApproveReleaseOperator,
    ReleaseModelVersionOperator,
    RollbackModelVersionOperator,
    BatchInferenceOperator,
    PlanShardsOperator,
    BatchShardOperator,
    FinishShardsOperator,
]


@pytest.mark.parametrize("operator", OPERATORS)
def test_everything_that_an_operator_accepts_can_be_said_in_a_spec(operator: type[BaseOperator]) -> None:
    own = [name for kind in operator.__mro__ if issubclass(kind, BaseOperator) and "tendies" in kind.__module__
           for name in inspect.signature(kind.__init__).parameters]  # fmt: skip
    accepted = {*own, *inspect.signature(BaseOperator.__init__).parameters} - OF_THE_DAG

    assert accepted - task_argument_names() - set(KEYS) == set()
    keys = keys_of(ModelSpec)
    assert {KEYS[name] for name in accepted if name in KEYS} <= keys


def test_the_inner_section_goes_before_the_outer_one() -> None:
    made = spec(
        airflow={"queue": "all", "retries": 1, "batch_cron": "@daily", "shards": 8, "release": {"queue": "gpu"}},
        batch={"airflow": {"queue": "cpu", "shards": 1}},
        batches={"night": {}, "day": {"airflow": {"queue": "fast", "cron": "@hourly"}}},
    )

    queues = [of_tasks("queue")(dag) for dag in (release_dag(made), rollback_dag(made))]
    assert (queues, [of_tasks("queue")(batch_dag(made, name)) for name in ("night", "day")]) == (
        ["gpu", "all"],
        ["cpu", "fast"],
    )
    crons = [BATCH_DAG_SETTINGS["cron"][1](batch_dag(made, name)) for name in ("night", "day")]
    assert crons == ["0 0 * * *", "0 * * * *"]
    assert of_tasks("retries")(release_dag(made)) == 1


def test_a_pool_of_all_batches_is_not_that_of_a_release() -> None:
    made = spec(airflow={"pool": "tf", "pool_slots": 2, "priority_weight": 5})

    assert [of_tasks("pool")(dag) for dag in (release_dag(made), batch_dag(made))] == ["default_pool", "tf"]
    assert of_tasks("pool")(release_dag(spec(airflow={"release": {"pool": "gpu"}}))) == "gpu"


@pytest.mark.parametrize(
    ("airflow", "words"),
    [
        ({"timezone": "Europe/Berln"}, "there is no such time zone; did you mean Europe/Berlin?"),
        ({"quue": "gpu"}, "quue"),
        ({"notify": {"on_failure": "Webhook"}}, "should match pattern"),
        ({"notify": {"on_late": {"call": "a.b"}}}, "after_s"),
        (
            {"executor_config": {"env": {"API_TOKEN": "abc"}}},
            "`API_TOKEN` is a secret, which does not belong in a spec",
        ),
        ({"notify": {"on_retry": {"call": "a.B", "arguments": {"slack_token": "x"}}}}, "`slack_token` is a secret"),
        ({"default_args": {"x": [{"password": "p"}]}}, "`password` is a secret"),
    ],
)
def test_a_wrong_setting_is_refused_when_the_spec_is_read(airflow: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(words)):
        spec(airflow=airflow)


def test_the_id_of_a_connection_and_a_template_are_not_secrets() -> None:
    arguments = {"slack_conn_id": "slack", "token": "{{ conn.slack.password }}", "token_file": "/run/token"}

    [call] = spec(airflow={"notify": {"on_failure": {"call": "a.B", "arguments": arguments}}}).airflow.notify.on_failure
    assert call.arguments == arguments


@pytest.mark.parametrize(
    ("airflow", "words"),
    [
        (
            {"default_args": {"trigger_rul": "all_done"}},
            r"`default_args\.trigger_rul` .* did you mean `trigger_rule`\?",
        ),
        ({"default_args": {"execution_timeout": 5}}, r"did you mean `execution_timeout_s`\?"),
        ({"notify": {"on_failure": "tests.support.notified.Tolt"}}, r"did you mean tests\.support\.notified\.Told\?"),
        ({"notify": {"on_failure": "tests.support.notified.NOT_CALLABLE"}}, "has no notifier or function"),
        ({"notify": {"on_failure": "tests.support.absent.Told"}}, r"tests\.support\.absent\.Told cannot be imported"),
        ({"notify": {"on_failure": "tests.support.notified.Told"}}, "does not accept .*missing.*'text'"),
        (
            {"notify": {"on_failure": {"call": "tests.support.notified.call", "arguments": {"txt": "a"}}}},
            "does not accept .*'txt'",
        ),
    ],
)
def test_a_name_that_airflow_or_a_module_lacks_is_refused_when_the_dag_is_made(
    airflow: dict[str, Any], words: str
) -> None:
    for make in (release_dag, rollback_dag, batch_dag):
        with pytest.raises(SpecError, match=words):
            make(spec(airflow=airflow))


def test_those_to_notify_of_an_approval_are_given_to_the_task_that_waits() -> None:
    approve: Any = release_dag(
        spec(release={"gate": {"review": True}}, airflow={"notify": {"on_approval": TOLD}})
    ).get_task("approve")

    assert [notifier.text for notifier in approve.notifiers] == ["{{ run_id }}"]
    with pytest.raises(SpecError, match=r"takes notifiers only, which tests\.support\.notified\.call is not"):
        release_dag(
            spec(
                release={"gate": {"review": True}}, airflow={"notify": {"on_approval": ["tests.support.notified.call"]}}
            )
        )


@pytest.mark.parametrize(
    ("name", "kind"), [("Told", SyncCallback), ("ToldAsynchronously", AsyncCallback), ("call", SyncCallback)]
)
def test_a_run_that_is_late_calls_where_the_notifier_can_run(name: str, kind: type) -> None:
    late = {"call": f"tests.support.notified.{name}", "arguments": {"text": "late"}, "after_s": 60}
    dag = batch_dag(spec(airflow={"notify": {"on_late": late}}))
    [alert] = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]

    assert alert is not None
    assert (type(alert.callback), alert.interval) == (kind, timedelta(minutes=1))
    assert (alert.callback.path, alert.callback.kwargs) == (late["call"], late["arguments"])
    assert DagSerialization.to_dict(dag)["dag"]["deadline"]


def test_callbacks_of_every_kind_arrive() -> None:
    call = {"call": "tests.support.notified.call", "arguments": {"text": "b"}}
    dag = batch_dag(spec(airflow={"notify": {"on_failure": [TOLD, call], "on_success": call, "on_retry": TOLD}}))
    retry = dag.tasks[0].on_retry_callback

    assert [getattr(one, "keywords", None) for one in dag.on_failure_callback or ()] == [None, {"text": "b"}]  # type: ignore[union-attr]
    assert dag.on_success_callback
    assert retry
    assert DagSerialization.to_dict(dag)["dag"]["has_on_failure_callback"]


def test_deferring_is_as_airflow_is_configured_unless_the_spec_says_otherwise() -> None:
    for operator in (ReleaseModelVersionOperator, ModelVersionSensor):
        default = inspect.signature(operator.__init__).parameters["deferrable"].default
        assert default is conf.getboolean("operators", "default_deferrable")
    release: Any = release_dag(spec(airflow={"deferrable": True})).get_task("release")
    assert release.deferrable


def test_the_names_that_a_template_may_use_are_those_of_airflow_s_context() -> None:
    of_other_tasks = {"exception", "expanded_ti_count", "map_index_template", "reason", "templates_dict"}
    stores = {"asset_state_store", "task_state_store", "task_reschedule_count"}

    assert set(KNOWN_CONTEXT_KEYS) - of_other_tasks - stores == KNOWN_NAMES
    assert set(FILTERS) <= set(AIRFLOW_FILTERS)
