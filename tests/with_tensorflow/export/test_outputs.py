"""What comes back: several pictures, label maps, scores, classes, and the signatures classify and regress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tendies_ops.errors import SpecError
from tendies_ops.spec import ModelSpec
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import Exported, ExportHere
from tests.with_tensorflow.export.test_sources import CONTRACT, small_spec

INPUT = CONTRACT["input"]
FILES = [png(random_pixels(16, 20, seed=1)), png(random_pixels(12, 12, seed=2)), png(random_pixels(16, 20, seed=3))]


def spec(small: Path, builder: str, output: dict[str, Any], **contract: Any) -> ModelSpec:
    return small_spec(small, {"checkpoint": "tf1", "builder": builder}, {"input": INPUT, "output": output, **contract})


def network(raw: Exported, file: bytes) -> NDArray[Any]:
    numbers: NDArray[Any] = raw.send(file)["output"][0]
    return numbers


@pytest.fixture(scope="module")
def raw(small_sources: Path, export_here: ExportHere) -> Exported:
    """The network's own numbers."""
    return export_here(spec(small_sources, "graph", {"kind": "tensor"}))


def examples(files: list[bytes]) -> Any:
    import tensorflow as tf

    feature = tf.train.Feature
    return tf.constant(
        [
            tf.train.Example(
                features=tf.train.Features(
                    feature={"input_bytes": feature(bytes_list=tf.train.BytesList(value=[file]))}
                )
            ).SerializeToString()
            for file in files
        ]
    )


def signature(exported: Exported, name: str) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(str(exported.directory)).signatures[name]


def test_a_tensor_comes_back_as_numbers(raw: Exported) -> None:
    assert raw.manifest.signatures["serving_default"].outputs["output"].dtype == "float32"
    assert raw.send(FILES[0])["output"].shape == (1, 16, 20, 3)
    assert {entry.unit for entry in raw.manifest.parity} == {"absolute"}
    assert max(entry.max_abs for entry in raw.manifest.parity) <= 1e-4


def test_two_pictures_come_back_under_their_names(small_sources: Path, export_here: ExportHere, raw: Exported) -> None:
    exported = export_here(spec(small_sources, "two_pictures", CONTRACT["output"]))
    answer = exported.send(*FILES)
    assert sorted(answer) == ["day_bytes", "night_bytes"]
    day, night = pixels_of(answer["day_bytes"][0]).astype(int), pixels_of(answer["night_bytes"][0]).astype(int)
    assert np.abs(day + night - 255).max() <= 1
    assert day.shape == (16, 20, 3)


def test_one_output_may_be_a_picture_and_the_other_numbers(small_sources: Path, export_here: ExportHere) -> None:
    outputs = {"night": {"kind": "tensor"}}
    exported = export_here(spec(small_sources, "two_pictures", CONTRACT["output"], outputs=outputs))
    assert sorted(exported.send(FILES[0])) == ["day_bytes", "night"]
    assert {entry.unit for entry in exported.manifest.parity} == {"of_255", "absolute"}


def test_a_segmentation_comes_back_as_class_numbers(
    small_sources: Path, export_here: ExportHere, raw: Exported
) -> None:
    exported = export_here(spec(small_sources, "segmenter", {"kind": "segmentation"}))
    classes = pixels_of(exported.send(FILES[0])["output_bytes"][0])
    assert np.array_equal(classes, network(raw, FILES[0]).argmax(-1))


def test_a_mask_of_true_and_false_comes_back_as_classes_1_and_0(
    small_sources: Path, export_here: ExportHere, raw: Exported
) -> None:
    exported = export_here(spec(small_sources, "mask", {"kind": "segmentation"}))
    classes = pixels_of(exported.send(FILES[0])["output_bytes"][0])
    assert np.array_equal(classes, network(raw, FILES[0])[..., 0] > 0)


def test_a_segmentation_with_a_palette_comes_back_in_colours(
    small_sources: Path, export_here: ExportHere, raw: Exported
) -> None:
    palette = ["#ff0000", "#00ff00", "#0000ff"]
    exported = export_here(spec(small_sources, "segmenter", {"kind": "segmentation", "palette": palette}))
    picture = pixels_of(exported.send(FILES[0])["output_bytes"][0])
    assert np.array_equal(picture, np.eye(3)[network(raw, FILES[0]).argmax(-1)] * 255)


def test_a_classifier_answers_scores_and_class_names(
    small_sources: Path, export_here: ExportHere, raw: Exported
) -> None:
    output = {"kind": "classification", "labels": ["cat", "dog", "fish"], "activation": "softmax", "top_k": 2}
    exported = export_here(spec(small_sources, "classifier", output))
    answer = exported.send(*FILES)
    logits = np.exp(network(raw, FILES[2]).mean((0, 1)))
    best = np.argsort(-logits)[:2]

    assert answer["classes"][2].tolist() == [[b"cat", b"dog", b"fish"][i] for i in best]
    assert np.allclose(answer["scores"][2], (logits / logits.sum())[best], atol=1e-5)


def test_auto_keeps_a_classifier_in_float32_because_no_picture_shows_the_price(
    small_sources: Path, export_here: ExportHere
) -> None:
    contract = {"input": INPUT, "output": {"kind": "classification", "labels": ["cat", "dog", "fish"]}}
    optimize = {"precision": "auto"}
    source = {"checkpoint": "tf1", "builder": "classifier"}
    taken = export_here(small_spec(small_sources, source, contract, optimize=optimize)).manifest.optimization

    assert taken is not None
    assert taken.chosen == "float32"
    assert taken.variants == ()
    assert "cannot be seen" in taken.why


def test_a_classifier_answers_classify_requests_of_model_server(small_sources: Path, export_here: ExportHere) -> None:
    output = {"kind": "classification", "labels": ["cat", "dog", "fish"], "activation": "softmax"}
    exported = export_here(spec(small_sources, "classifier", output))
    answer = signature(exported, "classify")(inputs=examples(FILES))

    assert exported.manifest.signatures["classify"].method_name == "tensorflow/serving/classify"
    assert sorted(exported.manifest.signatures["classify"].outputs) == ["classes", "scores"]
    assert np.allclose(answer["scores"].numpy(), exported.send(*FILES)["scores"])
    assert answer["classes"].numpy()[1].tolist() == [b"cat", b"dog", b"fish"]


def test_a_scorer_answers_regress_requests_of_model_server(
    small_sources: Path, export_here: ExportHere, raw: Exported
) -> None:
    exported = export_here(spec(small_sources, "scorer", {"kind": "regression"}))
    answer = signature(exported, "regress")(inputs=examples(FILES))["outputs"].numpy()

    assert answer.shape == (3,)
    assert np.allclose(answer, exported.send(*FILES)["output"])
    assert np.isclose(answer[1], network(raw, FILES[1]).mean(), atol=1e-5)


def test_a_jpeg_comes_back_where_the_contract_says_so(small_sources: Path, export_here: ExportHere) -> None:
    output = {**CONTRACT["output"], "format": "jpeg", "jpeg_quality": 80}
    answer = export_here(spec(small_sources, "graph", output)).send(FILES[0])["output_bytes"][0]
    assert answer.startswith(b"\xff\xd8\xff")
    assert pixels_of(answer).shape == (16, 20, 3)


@pytest.mark.parametrize("count", [0, 1, 7, 32])
def test_any_number_of_files_of_mixed_sizes_comes_back_in_order(
    count: int, small_sources: Path, export_here: ExportHere
) -> None:
    exported = export_here(spec(small_sources, "graph", CONTRACT["output"]))
    files = [png(random_pixels(5 + n % 3, 8 - n % 2, seed=n)) for n in range(count)]
    together = exported.send(*files)["output_bytes"] if files else send_none(exported)
    assert list(together) == [exported.send(file)["output_bytes"][0] for file in files]


def send_none(exported: Exported) -> list[bytes]:
    import tensorflow as tf

    files: list[bytes] = exported.function(input_bytes=tf.constant([], tf.string))["output_bytes"].numpy().tolist()
    return files


def test_a_network_for_one_picture_answers_any_number(small_sources: Path, export_here: ExportHere) -> None:
    one = {"input": {**INPUT, "batch_size": 1}, "output": CONTRACT["output"]}
    exported = export_here(
        small_spec(small_sources, {"checkpoint": "tf1", "builder": "graph_that_mixes_the_batch"}, one)
    )
    together = exported.send(*FILES)["output_bytes"]
    assert list(together) == [exported.send(file)["output_bytes"][0] for file in FILES]


def test_a_sigmoid_is_applied_to_a_picture(small_sources: Path, export_here: ExportHere, raw: Exported) -> None:
    exported = export_here(spec(small_sources, "graph", {"kind": "image", "activation": "sigmoid"}))
    by_hand = 255 / (1 + np.exp(-network(raw, FILES[0]).astype(float)))
    assert np.abs(pixels_of(exported.send(FILES[0])["output_bytes"][0]) - by_hand).max() <= 1


def test_an_activation_of_class_numbers_is_refused(small_sources: Path, export_here: ExportHere) -> None:
    with pytest.raises(SpecError, match="whole numbers are not logits"):
        export_here(spec(small_sources, "mask", {"kind": "segmentation", "activation": "sigmoid"}))


def test_a_softmax_of_one_channel_is_refused(small_sources: Path, export_here: ExportHere) -> None:
    with pytest.raises(SpecError, match="always 1"):
        export_here(spec(small_sources, "scorer", {"kind": "regression", "activation": "softmax"}))
