"""Models that other people trained, through the exporter: each with its own spec, proved, and given a photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere

pytestmark = pytest.mark.shared_data

# What takes seconds stays in the everyday run; the others are several times that.
PICTURE_MODELS = [
    pytest.param("cyclegan_code", marks=pytest.mark.slow),
    pytest.param("cyclegan_meta", marks=pytest.mark.slow),
    pytest.param("cyclegan_of_one", marks=pytest.mark.slow),
    "fast_style",
    pytest.param("magenta_style_0", marks=pytest.mark.slow),
    "magenta_style_9",
    pytest.param("magenta_style_19", marks=pytest.mark.slow),
    pytest.param("cartoongan_checkpoint", marks=pytest.mark.slow),
    pytest.param("cartoongan_saved_model", marks=pytest.mark.slow),
    "esrgan",
]


@pytest.mark.parametrize("name", PICTURE_MODELS)
def test_a_real_model_exports_within_1_of_255_and_styles_a_photograph(
    name: str, export_here: ExportHere, shared_data: Path, photograph: bytes
) -> None:
    exported = export_here(name)
    answer = pixels_of(exported.send(photograph)["output_bytes"][0])

    assert max(entry.max_abs for entry in exported.manifest.parity) <= 1.0
    assert [doubt for entry in exported.manifest.plausibility for doubt in entry.doubts] == []
    scale = exported.manifest.contract.output.scale
    assert answer.shape == (200 * scale, 300 * scale, 3)
    assert answer.std() > 20, "a picture, not one colour"
    # Only super-resolution keeps the photograph; the others change it visibly.
    before = pixels_of(photograph).repeat(scale, axis=0).repeat(scale, axis=1)
    change = np.abs(answer.astype(float) - before).mean()
    assert change < 10 if scale > 1 else change > 5


@pytest.mark.slow
def test_the_cyclegan_graph_code_and_the_meta_file_make_the_same_network(
    export_here: ExportHere, shared_data: Path
) -> None:
    photo = png(random_pixels(32, 48))
    first, second = export_here("cyclegan_code"), export_here("cyclegan_meta")
    assert first.send(photo)["output_bytes"][0] == second.send(photo)["output_bytes"][0]


def test_cartoongan_from_checkpoint_and_from_saved_model_agree_exactly(
    export_here: ExportHere, shared_data: Path, photograph: bytes
) -> None:
    # The network resizes with TensorFlow 1's bilinear; half-pixel centres would be up to 240 of 255 away.
    first, second = export_here("cartoongan_checkpoint"), export_here("cartoongan_saved_model")
    assert first.send(photograph)["output_bytes"][0] == second.send(photograph)["output_bytes"][0]


def test_one_style_network_serves_every_style_that_a_request_asks_for(
    export_here: ExportHere, shared_data: Path, photograph: bytes
) -> None:
    exported = export_here("magenta_any_style")
    together = exported.send(photograph, photograph, photograph, style=[0, 9, 19])["output_bytes"]
    alone = export_here("magenta_style_9").send(photograph)["output_bytes"][0]

    assert len(set(together)) == 3
    assert together[1] == alone, "style 9 by request is style 9 by constant"


def test_a_detector_built_for_one_picture_answers_a_batch_of_several_sizes(
    export_here: ExportHere, shared_data: Path
) -> None:
    exported = export_here("handtrack")
    files = [png(random_pixels(60, 90)), png(random_pixels(120, 80)), png(random_pixels(60, 90, seed=1))]
    answer = exported.send(*files)

    assert exported.manifest.contract.input.batch_size == 1, "read from the graph"
    assert answer["detection_boxes"].shape == (3, 100, 4)
    assert answer["num_detections"].tolist() == [100, 100, 100]
    assert np.array_equal(answer["detection_classes"], np.rint(answer["detection_classes"]))
    for row, file in enumerate(files):
        assert np.allclose(exported.send(file)["detection_scores"][0], answer["detection_scores"][row], atol=1e-4)
    assert max(entry.max_abs for entry in exported.manifest.parity) <= 1e-4


@pytest.fixture(scope="module")
def astronaut() -> NDArray[np.uint8]:
    """A portrait that scikit-image brings: a face, and an arm, 512 x 512."""
    from skimage import data

    portrait: NDArray[np.uint8] = data.astronaut()
    return portrait


def bare_detections(shared_data: Path, pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """What the source computes for one picture with nothing of ours around it."""
    import tensorflow as tf

    source = tf.saved_model.load(str(shared_data / "models/detector-handtrack-ssd-savedmodel/1"))
    answer = source.signatures["serving_default"](tf.constant(pixels[None]))
    return {name: answer[name].numpy()[0] for name in ("detection_boxes", "detection_scores", "detection_classes")}


def test_a_detector_finds_the_face_where_the_bare_graph_finds_it(
    export_here: ExportHere, shared_data: Path, astronaut: NDArray[np.uint8]
) -> None:
    answer = export_here("handtrack").send(png(astronaut))
    bare = bare_detections(shared_data, astronaut)
    labels = export_here("handtrack").manifest.contract.output.labels
    assert labels is not None
    best = answer["detection_scores"][0].argmax()
    top, left, bottom, right = answer["detection_boxes"][0, best]

    assert labels[int(answer["detection_classes"][0, best]) - 1] == "face"
    assert answer["detection_scores"][0, best] > 0.9
    eyes = (0.21, 0.43)  # of the height, of the width
    assert top < eyes[0] < bottom
    assert left < eyes[1] < right
    assert bottom - top < 0.4
    for name in ("detection_boxes", "detection_scores"):
        assert np.abs(answer[name][0] - bare[name]).max() <= 1e-4
    assert np.array_equal(answer["detection_classes"][0], np.rint(bare["detection_classes"]))
