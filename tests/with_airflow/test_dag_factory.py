"""What a model spec makes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.exceptions import AirflowTimetableInvalid
from airflow.sdk import DAG, AssetOrTimeSchedule
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables import trigger as scheduled

from tendies_ops.dag_factory import batch_dag, build_release, release_dag, rollback_dag
from tendies_ops.errors import SpecError
from tendies_ops.operators.release import ReleaseModelVersionOperator
from tendies_ops.spec import ModelSpec
from tests.support.cron import RIGHT, WRONG
from tests.support.specs import write_specs


def spec(**sections: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "strokes", "source": {"checkpoint": "c"}, **sections})


ALL_DAGS = [release_dag(spec()), batch_dag(spec()), rollback_dag(spec())]


@pytest.mark.parametrize("dag", ALL_DAGS, ids=lambda dag: dag.dag_id)
def test_missed_runs_are_not_made_up_for_and_runs_do_not_overlap(dag: DAG) -> None:
    assert not dag.catchup
    assert dag.max_active_runs == 1


@pytest.mark.parametrize("dag", ALL_DAGS, ids=lambda dag: dag.dag_id)
def test_every_task_has_an_owner_and_retries(dag: DAG) -> None:
    assert {(task.owner, task.retries, task.retry_delay) for task in dag.tasks} == {
        ("tendies", 2, timedelta(seconds=30))
    }


def test_a_batch_without_a_cron_runs_on_events_alone() -> None:
    assert not isinstance(batch_dag(spec()).timetable, AssetOrTimeSchedule)


def test_a_batch_with_a_cron_runs_on_both() -> None:
    dag = batch_dag(spec(airflow={"batch_cron": "0 3 * * *"}))

    assert isinstance(dag.timetable, AssetOrTimeSchedule)


@pytest.mark.parametrize("text", [*RIGHT, *WRONG])
def test_airflow_takes_the_same_cron_expressions(text: str) -> None:
    """As the scheduler reads them."""
    try:
        scheduled.CronTriggerTimetable(text, timezone="UTC").validate()
    except AirflowTimetableInvalid:
        assert text in WRONG
    else:
        assert text in RIGHT


def test_only_a_spec_that_asks_for_it_is_watched(tmp_path: Path) -> None:
    def watchers(made: ModelSpec) -> list[Any]:
        condition: Any = release_dag(made).timetable.asset_condition
        return [watcher for asset in condition.objects for watcher in asset.watchers]

    watched = watchers(spec(airflow={"watch_dir": str(tmp_path), "watch_interval_s": 3}))

    assert watchers(spec()) == []
    [watcher] = watched
    _, arguments = watcher.trigger.serialize()
    assert (arguments["directory"], arguments["model_name"]) == (str(tmp_path), "strokes")


def test_a_review_puts_a_person_between_export_and_release() -> None:
    dag = release_dag(spec(release={"gate": {"review": True}}))
    review: Any = dag.get_task("review")
    approve: Any = dag.get_task("approve")
    release: Any = dag.get_task("release")

    assert review.upstream_task_ids == {"export"}
    assert approve.upstream_task_ids == {"review"}
    assert release.upstream_task_ids == {"approve"}
    assert approve.execution_timeout is None
    assert list(approve.params) == ["reason"]
    assert (review.rehearse, release.rehearse) == (True, False), "it is tried once, before a person is asked"
    assert "a user reviews its pictures" in (dag.doc_md or "")


@pytest.mark.parametrize(("chosen", "approved_by"), [("Approve", "Ada: as intended"), ("Reject", ""), (None, "")])
def test_only_a_yes_is_an_approval_and_keeps_its_words(chosen: str | None, approved_by: str) -> None:
    release: Any = release_dag(spec(release={"gate": {"review": True}})).get_task("release")
    person, words = {"id": "7", "name": "Ada"}, {"reason": "as intended"}
    answer = {"chosen_options": [chosen], "responded_by_user": person, "params_input": words} if chosen else None

    class Pulled:
        def xcom_pull(self, *, task_ids: str) -> Any:
            return {"approve": answer}[task_ids]

    assert jinja2.Template(release.approved_by).render(ti=Pulled()) == approved_by


@pytest.mark.parametrize("shards", [1, 48])
def test_a_rollback_and_a_release_wait_for_no_task_of_a_batch(shards: int) -> None:
    made = spec(airflow={"pool": "tf_serving", "shards": shards}, release={"gate": {"review": True}})
    batch, release, rollback = (weights(make(made)) for make in (batch_dag, release_dag, rollback_dag))

    assert {pool for pool, _ in batch} == {"tf_serving"}
    assert {pool for pool, _ in [*release, *rollback]} == {"default_pool"}
    heaviest = max(weight for _, weight in batch)
    assert min(weight for _, weight in rollback) > max(weight for _, weight in release) > heaviest
    assert min(weight for _, weight in release) > heaviest


def weights(dag: DAG) -> list[tuple[str, int]]:
    """The pool and the weight of each task, as the scheduler works it out of what is serialized."""
    made = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    found: list[tuple[str, int]] = []
    for task in made.tasks:
        instance: Any = SimpleNamespace(task=task, priority_weight=task.priority_weight)
        found.append((task.pool, task.weight_rule.get_weight(instance)))
    return found


DATED = {
    "input": "/photos/{{ ds }}",
    "output": "/results/{{ dag_run.run_after | ds }}",
    "airflow": {"cron": "@daily"},
}


def rendered(made: ModelSpec, context: dict[str, Any], **params: Any) -> tuple[str, str]:
    """The folders of a run's first task."""
    dag = batch_dag(made)
    task: Any = dag.get_task("infer" if made.airflow.shards == 1 else "batch.plan")
    defaults = {name: dag.params[name] for name in dag.params}
    task.render_template_fields({"params": {**defaults, **params}, "task": task, "dag": dag, **context})
    return task.input_path, task.output_path


CONTEXT = {"ds": "2026-11-30", "dag_run": SimpleNamespace(run_after=datetime(2026, 12, 1, 3, tzinfo=timezone.utc))}


@pytest.mark.parametrize("shards", [1, 4])
def test_dates_in_a_spec_s_folders_are_rendered_for_each_run(shards: int) -> None:
    made = spec(batch=DATED, airflow={"shards": shards})

    assert rendered(made, CONTEXT) == ("/photos/2026-11-30", "/results/2026-12-01")


def test_a_folder_given_to_a_run_is_taken_as_it_is() -> None:
    assert rendered(spec(batch=DATED), CONTEXT, input="/x/{{ ds }}") == ("/x/{{ ds }}", "/results/2026-12-01")
    assert rendered(spec(batch={"input": "/a"}), CONTEXT, output="{{ ds }}") == ("/a", "{{ ds }}")


@pytest.mark.parametrize(("given", "folder"), [({}, None), ({"input": "/photos/x", "output": "/o"}, "/photos/x")])
def test_a_run_without_a_logical_date_names_the_key_that_asks_for_one(given: dict[str, str], folder: Any) -> None:
    context = {"dag_run": CONTEXT["dag_run"]}
    if folder:
        assert rendered(spec(batch=DATED), context, **given)[0] == folder
        return

    with pytest.raises(
        SpecError, match=r"`batch.input` in the spec of strokes uses `ds`, which this run does not have"
    ):
        rendered(spec(batch=DATED), context, **given)


def test_a_dated_folder_lets_runs_take_what_lies_next_to_it() -> None:
    infer: Any = batch_dag(spec(batch=DATED)).get_task("infer")

    assert (infer.allowed_inputs, infer.allowed_outputs) == (("/photos",), ("/results",))


def test_the_form_says_what_an_empty_folder_means() -> None:
    params = batch_dag(spec(batch={**DATED, "output": "/results"})).params

    assert (params["input"], params["output"]) == (None, "/results")
    assert "`/photos/{{ ds }}`" in (params.get_param("input").description or "")


def test_a_dag_of_the_factory_takes_a_deadline_of_ones_own() -> None:
    dag = batch_dag(spec())
    dag.deadline = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=1),
        callback=AsyncCallback("airflow.sdk.bases.notifier.BaseNotifier"),
    )

    assert DagSerialization.to_dict(dag)["dag"]["deadline"]


@pytest.mark.parametrize("dag", ALL_DAGS[:2], ids=lambda dag: dag.dag_id)
def test_the_docs_of_a_dag_tell_its_contract_and_lead_to_its_page(dag: DAG) -> None:
    assert "PNG or JPEG" in (dag.doc_md or "")
    assert "(plugin/tendies/tendies/models/strokes)" in (dag.doc_md or "")


def test_the_docs_of_a_classifier_promise_no_pictures() -> None:
    classifier = spec(contract={"input": {"dtype": "uint8"}, "output": {"kind": "classification"}})
    docs = batch_dag(classifier).doc_md or ""

    assert "| classification |" in docs
    assert "| values of the network | 0 to 255 | - |" in docs
    assert "| image, as png |" in (batch_dag(spec()).doc_md or "")


_DAG_FILE = """
from pathlib import Path
from tendies_ops.dag_factory import tendies_dags
globals().update(tendies_dags(Path({specs!r}), kinds=["release"]))  # airflow
"""


def test_a_dag_that_cannot_be_completed_does_not_run_half_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def only_of_stripes(**arguments: Any) -> Any:
        if not arguments["model_base_path"].endswith("stripes"):
            raise ValueError("something that no one thought of")
        return ReleaseModelVersionOperator(**arguments)

    monkeypatch.setattr(build_release, "ReleaseModelVersionOperator", only_of_stripes)
    models = [{"model_name": name, "release": {"model_base_path": f"/m/{name}"}} for name in ("stripes", "strokes")]
    specs = write_specs(tmp_path / "specs", *models)
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "release.py").write_text(_DAG_FILE.format(specs=str(specs)))

    assert list(DagBag(dag_folder=tmp_path / "dags").dags) == ["tendies_release_stripes"]
