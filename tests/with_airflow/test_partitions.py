"""The DAG of a partitioned batch: its timetable, its folders, its events, and two runs of one partition."""

from __future__ import annotations

import shutil
import threading
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from tendies_ops.dag_factory import again_dag, batch_dag, batch_group
from tendies_ops.errors import SpecError, UsageError
from tendies_ops.inference.storage.local import LocalOutput
from tendies_ops.operators import batch as batch_module
from tendies_ops.operators.batch import BatchOperator
from tendies_ops.operators.choose_partitions import ChoosePartitionsOperator
from tests.support.airflow_home import run_dag
from tests.support.batch_bench import Bench, bench, make_bench
from tests.support.candidates import MODEL_NAME
from tests.support.partitioned import made_partitions, partitioned_spec
from tests.support.sample_pictures import folder_of_pngs
from tests.support.watching_server import WatchingServer, pictures_to_shift

__all__ = ["bench", "make_bench"]  # fixtures
JUNE = {"every": "day", "start": "2026-06-01"}
BERLIN = "Europe/Berlin"


def rendered(dag: Any, *, key: str | None = None, params: dict[str, Any] | None = None) -> tuple[str, str, str]:
    """Return the folders and the key of a run that was due at 1 July, 01:00 UTC."""
    task = dag.get_task("infer").prepare_for_execution()
    run = SimpleNamespace(partition_key=key, run_after=datetime(2026, 7, 1, 1, tzinfo=timezone.utc))
    context = {"params": {**dag.params.dump(), **(params or {})}, "dag_run": run, "partition_key": key}
    task.render_template_fields({**context, "task": task, "dag": dag})
    return task.input_path, task.output_path, task.partition_key


def test_the_timetable_has_a_partition_for_each_local_day_as_airflow_reads_it_back() -> None:
    dag = DagSerialization.from_dict(
        DagSerialization.to_dict(batch_dag(partitioned_spec("/data", zone=BERLIN, **JUNE)))
    )
    assert dag.timetable.partitioned
    range_ = {
        "earliest": datetime(2026, 10, 24, tzinfo=timezone.utc),
        "latest": datetime(2026, 10, 26, tzinfo=timezone.utc),
    }
    assert [info.partition_key for info in dag.timetable.iter_partition_dagrun_infos(**range_)] == [
        "2026-10-24",
        "2026-10-25",
        "2026-10-26",
    ]
    assert dag.start_date == datetime(2026, 6, 1, 22, tzinfo=timezone.utc)


def test_the_first_scheduled_run_is_of_the_first_day() -> None:
    from airflow.timetables.base import TimeRestriction

    dag = DagSerialization.from_dict(
        DagSerialization.to_dict(batch_dag(partitioned_spec("/data", zone=BERLIN, **JUNE)))
    )
    start: Any = dag.start_date
    restriction = TimeRestriction(earliest=start, latest=None, catchup=True)
    first = dag.timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    assert first is not None
    assert first.partition_key == "2026-06-01"


def test_a_run_has_the_folders_of_its_key_and_without_one_those_of_the_newest_day() -> None:
    dag = batch_dag(partitioned_spec("/data", **JUNE))
    assert rendered(dag, key="2026-06-14") == ("/data/in/2026-06-14", "/data/out/2026-06-14", "2026-06-14")
    assert rendered(dag, params={"partition": "2026-06-02"})[1] == "/data/out/2026-06-02"
    assert rendered(dag)[2] == "2026-06-30"
    with pytest.raises(UsageError, match="no partition '2026-05-31' that is due"):
        rendered(dag, key="2026-05-31")


def test_keys_are_started_by_events_that_have_one() -> None:
    spec = partitioned_spec("/data", keys=["acme", "zoo"])
    dag = batch_dag(spec)
    assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable.partitioned
    assert rendered(dag, key="zoo")[0] == "/data/in/zoo"
    with pytest.raises(UsageError, match="one of acme, zoo"):
        rendered(dag)
    with pytest.raises(SpecError, match="has partitions, so its tasks need that DAG"):
        batch_group(spec)


def test_a_run_writes_into_the_folder_of_its_day_and_its_event_has_the_key(
    server: WatchingServer, server_connection: str, tmp_path: Path
) -> None:
    pictures_to_shift(server, tmp_path / "in" / "2026-06-14", 3)
    dag = batch_dag(partitioned_spec(tmp_path, model_name=MODEL_NAME, **JUNE))

    run = run_dag(dag, conf={"partition": "2026-06-14"})
    asked = server.predicts
    again = run_dag(dag, conf={"partition": "2026-06-14"})

    assert (run.state, again.state) == ("success", "success")
    assert len(list((tmp_path / "out" / "2026-06-14").glob("*.png"))) == 3
    assert server.predicts == asked
    summary = again.get_task_instance("infer").xcom_pull(task_ids="infer")
    assert (summary["partition_key"], summary["skipped"]) == ("2026-06-14", 3)
    assert events_of(run, again) == [("2026-06-14", 3, 0, 1), ("2026-06-14", 0, 3, 1)]


def events_of(*runs: Any) -> list[tuple[str | None, int, int, int]]:
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        events = session.scalars(
            select(AssetEvent)
            .where(AssetEvent.source_run_id.in_([run.run_id for run in runs]))
            .order_by(AssetEvent.timestamp)
        ).all()
    return [(one.partition_key, *(one.extra[name] for name in ("done", "skipped", "version"))) for one in events]


def test_a_run_whose_partition_is_being_written_waits_and_then_works(
    server: WatchingServer, server_connection: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures_to_shift(server, tmp_path / "in" / "2026-06-14", 2)
    (tmp_path / "out").mkdir()
    other = ExitStack()
    other.enter_context(LocalOutput(tmp_path / "out" / "2026-06-14").locked())
    waited = []

    def wait_for_the_other(task: BatchOperator, why: str) -> NoReturn:
        waited.append((why, server.predicts))
        other.close()
        wait(task, why)

    wait = BatchOperator._wait
    monkeypatch.setattr(BatchOperator, "_wait", wait_for_the_other)
    monkeypatch.setattr(batch_module, "WAIT_S", 1)
    spec = partitioned_spec(tmp_path, model_name=MODEL_NAME, **JUNE)

    run = run_dag(batch_dag(spec), conf={"partition": "2026-06-14"})

    [(why, asked)] = waited
    assert why.startswith("Partition 2026-06-14: Another batch run is writing to")
    assert (run.state, asked) == ("success", 0)
    assert len(list((tmp_path / "out" / "2026-06-14").glob("*.png"))) == 2


@pytest.fixture
def three_days(server: WatchingServer, server_connection: str, tmp_path: Path) -> Path:
    """The newest three days with two pictures each, the oldest of them processed by version 1."""
    pictures = pictures_to_shift(server, tmp_path / "in" / days()[0], 2)
    for day in days()[1:]:
        shutil.copytree(pictures, tmp_path / "in" / day)
    run_dag(batch_dag(partitioned_spec(tmp_path, model_name=MODEL_NAME, **JUNE)), conf={"partition": days()[0]})
    return tmp_path


def days() -> list[str]:
    return made_partitions(**JUNE).due(datetime.now(timezone.utc))[-3:]


def test_a_range_is_processed_again_newest_first_without_what_is_done(server: WatchingServer, three_days: Path) -> None:
    asked = server.predicts
    dag = again_dag(partitioned_spec(three_days, model_name=MODEL_NAME, **JUNE))

    run = run_dag(dag, conf={"first": days()[0], "last": days()[2]})

    assert run.state == "success"
    chosen = run.get_task_instance("choose").xcom_pull(task_ids="choose")
    assert [one["partition_key"] for one in chosen] == days()[::-1]
    summaries = run.get_task_instance("choose").xcom_pull(task_ids="infer", map_indexes=[0, 1, 2])
    assert [(one["partition_key"], one["done"]) for one in summaries] == [
        (days()[2], 2),
        (days()[1], 2),
        (days()[0], 0),
    ]
    assert {key for key, *_ in events_of(run)} == set(days())
    assert server.predicts > asked


def test_only_what_failed_is_chosen_if_nothing_else_is_wanted(three_days: Path) -> None:
    dag = again_dag(partitioned_spec(three_days, model_name=MODEL_NAME, **JUNE))
    run = run_dag(dag, conf={"first": days()[0], "last": days()[2], "only_failed": True})
    assert run.get_task_instance("choose").xcom_pull(task_ids="choose") == []
    assert run.state == "success"


@pytest.mark.parametrize(("policy", "starts"), [("nothing", 0), ("newest 2", 1), ("all", 1)])
def test_a_release_starts_it_only_if_the_spec_wants_that(policy: str, starts: int) -> None:
    text = str(DagSerialization.to_dict(again_dag(partitioned_spec("/data", on_release=policy, **JUNE))))
    assert text.count("tendies://model/strokes'") >= starts
    assert ("tendies://model/strokes'" in text) == bool(starts)


def test_after_a_release_the_newest_that_an_older_version_made_are_chosen(tmp_path: Path, bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    now = datetime.now(timezone.utc)
    keys = made_partitions(**JUNE).due(now)[-4:]
    for key in keys[:3]:
        bench.output = tmp_path / "out" / key
        bench.run()
    event = SimpleNamespace(extra={"version": 2}, timestamp=now)
    operator = ChoosePartitionsOperator(
        task_id="choose", partitions=made_partitions(tmp_path, on_release="newest 2", **JUNE)
    )
    context: Any = {"triggering_asset_events": {"model": [event]}}
    cancelled = threading.Event()
    assert [one["partition_key"] for one in operator.run(context, cancelled)] == [keys[2], keys[1]]
    event.extra["version"] = 1
    assert operator.run(context, cancelled) == []
    context["triggering_asset_events"] = None
    with pytest.raises(UsageError, match=r"`on_release: nothing`.*Give `first` and `last`"):
        ChoosePartitionsOperator(task_id="c", partitions=made_partitions(tmp_path, **JUNE)).run(context, cancelled)
