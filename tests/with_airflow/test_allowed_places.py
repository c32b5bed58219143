"""Values that a run is given stay inside the places that the spec and the deployment allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tendies_ops import dag_factory
from tendies_ops.operators.export import ExportSavedModelOperator
from tendies_ops.spec import ModelSpec
from tests.support.airflow_home import run_dag
from tests.support.airflow_runs import run_task
from tests.support.candidates import MODEL_NAME, picture
from tests.support.watching_server import WatchingServer, pictures_to_shift

pytestmark = pytest.mark.usefixtures("server_connection")


@pytest.fixture
def pictures(server: WatchingServer, tmp_path: Path) -> Path:
    return pictures_to_shift(server, tmp_path / "pictures" / "2026", 2)


def put_picture(folder: Path) -> None:
    folder.mkdir()
    (folder / "0.png").write_bytes(picture(0))


def batch_spec(tmp_path: Path, **batch: Any) -> ModelSpec:
    folders = {"input": str(tmp_path / "pictures"), "output": str(tmp_path / "results")}
    return ModelSpec.model_validate(
        {"model_name": MODEL_NAME, "source": {"checkpoint": "none"}, "batch": {**folders, **batch}}
    )


def state_of_batch(spec: ModelSpec, **conf: str) -> str:
    return str(run_dag(dag_factory.batch_dag(spec), conf=conf).get_task_instance("infer").state)


def test_a_batch_may_take_a_folder_below_its_own(tmp_path: Path, pictures: Path) -> None:
    assert state_of_batch(batch_spec(tmp_path), input=str(pictures), output=f"{tmp_path}/results/2026") == "success"
    assert len(list((tmp_path / "results" / "2026").glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("parameter", "place"),
    [
        ("input", "{}/other"),
        ("input", "{}/pictures/../other"),
        ("input", "{}/pictures/link"),
        ("input", "http://127.0.0.1:1/"),
        ("input", "simplecache::file://{}/other"),
        ("output", "{}/other"),
        ("output", "memory://other"),
    ],
)
def test_a_batch_refuses_a_place_that_its_spec_does_not_allow(
    tmp_path: Path, pictures: Path, parameter: str, place: str
) -> None:
    put_picture(tmp_path / "other")
    (tmp_path / "pictures" / "link").symlink_to(tmp_path / "other")

    assert state_of_batch(batch_spec(tmp_path), **{parameter: place.format(tmp_path)}) == "failed"
    assert not (tmp_path / "results").exists()
    assert len(list((tmp_path / "other").iterdir())) == 1


def test_a_deployment_and_a_spec_can_allow_more(
    tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_picture(tmp_path / "other")
    monkeypatch.setenv("TENDIES_ALLOWED_OUTPUTS", f"/nowhere,{tmp_path}/more")

    spec = batch_spec(tmp_path, allowed_inputs=(str(tmp_path / "other"),))
    assert state_of_batch(spec, input=str(tmp_path / "other"), output=str(tmp_path / "more")) == "success"


@pytest.mark.parametrize("place", ["{}/secret/net.h5", "{}/w/../secret/net.h5", "{}/w/link.h5", "s3://b/net.h5"])
def test_an_export_refuses_a_checkpoint_that_its_spec_does_not_allow(
    tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("w", "secret"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "net.h5").write_bytes(b"x")
    (tmp_path / "w" / "link.h5").symlink_to(tmp_path / "secret" / "net.h5")
    spec = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": str(tmp_path / "w" / "net.h5")}})

    ti = run_task(
        "export_outside",
        lambda: ExportSavedModelOperator(
            task_id="export", spec=spec, checkpoint="{{ params.checkpoint }}", output_dir=str(tmp_path / "out")
        ),
        params={"checkpoint": ""},
        conf={"checkpoint": place.format(tmp_path)},
    )

    assert ti.state == "failed"
    assert "outside the places allowed for it" in capsys.readouterr().out
