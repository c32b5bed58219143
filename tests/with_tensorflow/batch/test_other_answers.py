"""A real detector and a small classifier, from export to the files of a batch run."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tendies_ops.export import export_model
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.spec import ModelSpec, load_spec
from tests.support.model_server import RunningServer, start_model_server
from tests.support.sample_pictures import decoded, encoded

SHARED = Path(__file__).parents[4] / "shared" / "data"
DETECTOR_SPEC = Path(__file__).parents[1] / "export" / "specs" / "handtrack.yaml"
FACE = SHARED / "photos" / "kodak" / "kodim04.png"  # a portrait
COLOURS = ("red", "green", "blue")


def save_classifier(path: Path) -> None:
    """Says which colour a picture has most of."""
    import keras
    import numpy

    model = keras.Sequential([
        keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)
    ])  # fmt: skip
    model.layers[-1].set_weights([8.0 * numpy.eye(3), numpy.zeros(3)])
    model.save(path)


def serve(base: Path, model_name: str) -> RunningServer:
    return start_model_server(f"--model_name={model_name}", f"--model_base_path={base}")


def run(server: RunningServer, model_name: str, base: Path, source: Path, target: Path) -> BatchReport:
    options = BatchOptions(
        input=str(source), output=str(target), model_name=model_name, servers=(server.url,), model_base_path=str(base)
    )
    return run_batch(options)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, Path]]:
    folder = tmp_path_factory.mktemp("classifier")
    save_classifier(folder / "colour.keras")
    contract = {"output": {"kind": "classification", "labels": COLOURS, "activation": "softmax"}}
    spec = {"model_name": "colour", "source": {"checkpoint": folder / "colour.keras"}, "contract": contract}
    export_model(ModelSpec.model_validate(spec), folder / "base" / "1")
    with serve(folder / "base", "colour") as server:
        yield server, folder / "base"


def test_a_classifier_gives_one_table_with_a_column_for_each_class(
    classifier: tuple[RunningServer, Path], tmp_path: Path
) -> None:
    server, base = classifier
    (tmp_path / "in").mkdir()
    for name, colour in (("r.png", (200, 10, 10)), ("g.png", (10, 200, 10)), ("b.jpg", (10, 10, 200))):
        picture = Image.new("RGB", (24, 16), colour)
        (tmp_path / "in" / name).write_bytes(encoded(picture, "JPEG" if name.endswith("jpg") else "PNG"))
    report = run(server, "colour", base, tmp_path / "in", tmp_path / "out")
    assert (report.done, report.failed) == (3, 0)
    with Path(report.paths["scores"]).open(newline="") as stream:
        rows = {row["input"]: row for row in csv.DictReader(stream)}
    assert {name: row["class"] for name, row in rows.items()} == {"r.png": "red", "g.png": "green", "b.jpg": "blue"}
    for row in rows.values():
        scores = [float(row[f"score {name}"]) for name in COLOURS]
        assert np.isclose(sum(scores), 1.0, atol=1e-5)
        assert np.isclose(max(scores), float(row["score"]))
    assert run(server, "colour", base, tmp_path / "in", tmp_path / "out").skipped == 3


@pytest.mark.shared_data
def test_a_detector_finds_the_face_of_a_portrait_and_names_it(tmp_path: Path) -> None:
    base, source = tmp_path / "base", tmp_path / "in"
    export_model(load_spec(DETECTOR_SPEC), base / "1")
    source.mkdir()
    (source / FACE.name).write_bytes(FACE.read_bytes())
    with serve(base, "handtrack") as server:
        report = run(server, "handtrack", base, source, tmp_path / "out")
    assert (report.done, report.failed) == (1, 0)
    document = json.loads((tmp_path / "out" / "kodim04.json").read_text())
    assert (document["height"], document["width"]) == (768, 512)
    face = next(one for one in document["detections"] if one["label"] == "face")
    top, left, bottom, right = face["box_pixels"]
    eyes, mouth = (390, 235), (525, 325)  # row and column, as one sees them
    for row, column in (eyes, mouth):
        assert top < row < bottom
        assert left < column < right
    assert decoded((tmp_path / "out" / "kodim04.png").read_bytes()).size == (512, 768)
    assert document["tendies"]["model_digest"].startswith("sha256:")
