"""Everything that uses or shows a version takes the one in service, by labels and by directory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.cli.main import main
from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.inference.several_runs.sharded_run import finish_shards, plan_shards
from tendies_ops.operators.batch import BatchInferenceOperator
from tendies_ops.sensors.model_version import ModelVersionSensor
from tendies_ops.spec import ModelSpec
from tendies_ops.web.sources.known import KnownModel, Location
from tendies_ops.web.sources.server_states import ServerStates
from tendies_ops.web.views.models_view import read_model
from tests.support.airflow_runs import run_task
from tests.support.candidates import MODEL_NAME, shift
from tests.support.service_worlds import IN_SERVICE_BY, SITUATIONS, ServiceWorld, open_world

Tendies = Callable[..., Any]
CELLS = list(itertools.product(("directory", "labels"), SITUATIONS))


@pytest.fixture(scope="module", params=CELLS, ids=[f"{way}, {situation}" for way, situation in CELLS])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceWorld]:
    way, situation = request.param
    with open_world(tmp_path_factory.mktemp("world"), way) as opened:
        SITUATIONS[situation](opened)
        yield opened


@pytest.fixture
def tendies(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tendies:
    def run(*arguments: object) -> Any:
        monkeypatch.setattr("sys.argv", ["tendies", *map(str, arguments), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        assert ended.value.code in (0, None), written.err
        return json.loads(written.out)

    return run


def assert_made_by_version_1(world: ServiceWorld, output: Path, report: dict[str, Any]) -> None:
    assert (report["version"], report["done"], report["failed"]) == (1, 2, 0)
    assert report["version_reason"]
    for source in world.pictures.iterdir():
        assert (output / source.name).read_bytes() == shift(source.read_bytes(), IN_SERVICE_BY)


def test_a_batch_uses_the_version_in_service(world: ServiceWorld, tendies: Tendies, tmp_path: Path) -> None:
    report = tendies(
        "batch", "--server", world.server.url, "--model", MODEL_NAME, "--model-base-path", world.base,
        "--no-provenance", world.pictures, tmp_path / "out",
    )  # fmt: skip
    assert_made_by_version_1(world, tmp_path / "out", report)
    assert report["version_reason"].startswith(
        "the label stable names it" if world.way == "labels" else "it is the highest version that is AVAILABLE"
    )


def test_by_labels_a_batch_needs_no_base_path_for_that(world: ServiceWorld, tmp_path: Path) -> None:
    if world.way == "directory":
        return  # nothing tells a candidate from the rest there
    options = BatchOptions(
        input=str(world.pictures),
        output=str(tmp_path / "out"),
        model_name=MODEL_NAME,
        servers=(world.server.url,),
        provenance=False,
    )
    assert_made_by_version_1(world, tmp_path / "out", run_batch(options).summary())


def test_the_operator_uses_the_version_in_service(world: ServiceWorld, tmp_path: Path) -> None:
    def operator() -> BatchInferenceOperator:
        return BatchInferenceOperator(
            task_id="infer",
            input_path=str(world.pictures),
            output_path=str(tmp_path / "out"),
            model_name=MODEL_NAME,
            model_base_path=str(world.base),
            servers=world.server.url,
            options={"provenance": False},
        )

    ti = run_task("in_service_batch", operator)
    assert_made_by_version_1(world, tmp_path / "out", ti.xcom_pull(task_ids="infer"))


def test_the_shards_and_their_report_use_the_version_in_service(world: ServiceWorld, tmp_path: Path) -> None:
    options = BatchOptions(
        input=str(world.pictures),
        output=str(tmp_path / "out"),
        model_name=MODEL_NAME,
        servers=(world.server.url,),
        model_base_path=str(world.base),
        provenance=False,
    )
    plan = plan_shards(options, max_shards=2, pictures_per_shard=1)
    assert (plan.version, plan.shards) == (1, 2)
    summaries = [
        run_batch(
            options.replaced(version=plan.version, shard=(index, 2), run_id=f"s{index}", allow_empty=True)
        ).summary()
        for index in range(2)
    ]
    assert [summary["version"] for summary in summaries] == [1, 1]
    report = finish_shards(options.replaced(run_id="whole"), plan, summaries)
    assert_made_by_version_1(world, tmp_path / "out", report.summary())
    assert report.version_reason == plan.version_reason


def test_the_sensor_reports_the_version_in_service(world: ServiceWorld) -> None:
    def poke(newer_than: int) -> Any:
        sensor = ModelVersionSensor(
            task_id="wait",
            model_name=MODEL_NAME,
            newer_than=newer_than,
            servers=world.server.url,
            model_base_path=str(world.base),
        )
        return sensor.poke({})

    assert (poke(0).is_done, poke(0).xcom_value) == (True, 1)
    assert not poke(1).is_done


def test_the_pages_show_the_version_in_service(world: ServiceWorld) -> None:
    spec = ModelSpec.model_validate({"model_name": MODEL_NAME, "source": {"checkpoint": "/train/ckpt"}})
    location = Location(world.base, (world.server.url,))
    replicas = ServerStates(timeout_s=5).of(MODEL_NAME, location)
    view = read_model(KnownModel(spec, location), replicas)
    assert (view.serving, view.in_service.version, view.health) == (1, 1, "ok")
    assert view.shown is not None
    assert view.shown.version == 1


def test_versions_names_the_version_in_service(world: ServiceWorld, tendies: Tendies) -> None:
    found = tendies("versions", "--model-base-path", world.base, "--server", world.server.url)
    assert (found["in_service"], bool(found["in_service_reason"])) == (1, True)
    states = {entry["version"]: entry["state"] for entry in found["versions"]}
    assert states[1] == "released"
    assert states.get(2) in {None, "withdrawn", "being proved", "unproved: its release was killed"}
