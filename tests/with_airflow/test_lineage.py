"""What the OpenLineage provider, the real one, emits for tasks that have run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.operators.lineage import as_uri, lineage_of_export, name_of, to_openlineage
from tests.support.candidates import MODEL_NAME
from tests.with_airflow.conftest import Observed


@pytest.fixture(scope="module")
def place(observed: Observed) -> Path:
    return observed.place


def last_event(place: Path, task: str) -> dict[str, Any]:
    lines = (place / "events.jsonl").read_text(encoding="utf-8").splitlines()
    events = [event for event in map(json.loads, lines) if event["job"]["name"] == task]
    assert events, "the provider has emitted nothing"
    found: dict[str, Any] = events[-1]
    return found


def datasets(found: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(dataset["namespace"], dataset["name"]): dataset for dataset in found}


def test_a_release_is_a_checkpoint_that_became_a_version(place: Path) -> None:
    event = last_event(place, "observed_release.release")

    assert event["eventType"] == "COMPLETE"
    [(namespace, name)] = datasets(event["inputs"])
    assert (namespace, Path(name).name) == ("file", "ckpt-7")
    model = datasets(event["outputs"])["tendies", f"model/{MODEL_NAME}"]
    assert model["facets"]["version"]["datasetVersion"] == "1"


def test_a_batch_is_pictures_and_a_version_that_became_pictures(place: Path) -> None:
    event = last_event(place, "observed_batch.infer")

    assert event["eventType"] == "COMPLETE"
    inputs = datasets(event["inputs"])
    assert set(inputs) == {("file", str(place / "in")), ("tendies", f"model/{MODEL_NAME}")}
    assert inputs["tendies", f"model/{MODEL_NAME}"]["facets"]["version"]["datasetVersion"] == "1"
    results = datasets(event["outputs"])["file", str(place / "out")]
    assert results["outputFacets"]["outputStatistics"]["fileCount"] == 3
    assert inputs["file", str(place / "in")]["inputFacets"]["inputStatistics"]["fileCount"] == 3
    assert checks_of(event)["pictures"] == ("pass", "up to 1 failed", "0 failed, 3 done, 0 skipped of 3")


def checks_of(event: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {
        one["name"]: (one["status"], one["expected"], one["actual"]) for one in event["run"]["facets"]["test"]["tests"]
    }


def test_a_release_tells_the_quality_that_it_has_found(place: Path) -> None:
    found = checks_of(last_event(place, "observed_release.release"))

    status, expected, _ = found["golden images"]
    assert (status, expected) == ("pass", "as promised on every replica")


def test_a_release_that_failed_has_the_checkpoint_and_no_version(place: Path) -> None:
    event = last_event(place, "failed_release.release")

    assert event["eventType"] == "FAIL"
    [(_, name)] = datasets(event["inputs"])
    assert Path(name).name == "ckpt-8"
    assert "version" not in datasets(event["outputs"])["tendies", f"model/{MODEL_NAME}"]["facets"]
    status, _, found = checks_of(event)["release"]
    assert status == "fail"
    assert "DATA_LOSS: truncated" in found


def test_a_batch_that_failed_has_its_counts_its_failures_and_its_partition(place: Path) -> None:
    event = last_event(place, "failed_batch.infer")

    assert event["eventType"] == "FAIL"
    results = datasets(event["outputs"])["file", str(place / "out")]
    assert results["outputFacets"]["outputStatistics"]["fileCount"] == 0
    [partition] = results["outputFacets"]["subset"]["outputCondition"]["partitions"]
    assert partition["identifier"] == "2026-06-14"
    found = checks_of(event)
    assert found["pictures"] == ("fail", "up to 0 failed", "1 failed, 0 done, 3 skipped of 4")
    assert found["not damaged"] == ("fail", "0", "1")


def test_a_batch_that_could_not_begin_has_its_places(place: Path) -> None:
    event = last_event(place, "unread_batch.infer")

    assert event["eventType"] == "FAIL"
    assert ("file", str(place / "typo")) in datasets(event["inputs"])
    assert ("file", str(place / "out")) in datasets(event["outputs"])
    assert "test" not in event["run"]["facets"]


def test_an_export_is_a_checkpoint_that_became_a_saved_model() -> None:
    summary = {"checkpoint": "/train/ckpt-7", "saved_model_dir": "/models/.exports/a", "model_digest": "sha256:1"}

    lineage = to_openlineage(lineage_of_export(summary))

    assert [(data.namespace, data.name) for data in lineage.inputs] == [("file", "/train/ckpt-7")]
    [saved_model] = lineage.outputs
    assert (saved_model.name, saved_model.facets["version"].datasetVersion) == ("/models/.exports/a", "sha256:1")


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("file:///a/b%20c", ("file", "/a/b c")),
        ("s3://bucket/night/in", ("s3://bucket", "night/in")),
        ("tendies://model/stripes", ("tendies", "model/stripes")),
    ],
)
def test_datasets_are_named_as_other_tools_name_them(uri: str, name: tuple[str, str]) -> None:
    assert name_of(uri) == name


@pytest.mark.parametrize(
    ("path", "uri"), [("/a/b c", "file:///a/b%20c"), ("s3://bucket/x", "s3://bucket/x"), ("gs://b/", "gs://b/")]
)
def test_paths_become_uris_and_uris_stay(path: str, uri: str) -> None:
    assert as_uri(path) == uri
