"""Contracts that say something else than what the network gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.with_tensorflow.export.broken_inputs import Broken, case, tf1


def under(small: Path, builder: str, output: dict[str, Any], **contract: Any) -> dict[str, Any]:
    """A spec with this contract of the output."""
    return tf1(small / "tf1", builder) | {"contract": {"output": output, **contract}}


@case
def picture_twice_as_large(small: Path, tmp: Path) -> Broken:
    return under(small, "twice_as_large", {}), "Set contract.output.scale: 2"


@case
def picture_smaller_than_it_was_padded_to(small: Path, tmp: Path) -> Broken:
    return under(small, "half_as_large", {}, input={"multiple_of": 4}), "smaller than the contract says"


@case
def picture_smaller_than_its_scale(small: Path, tmp: Path) -> Broken:
    return under(small, "graph", {"scale": 2}), "as 64 x 64 (height x width) where scale 2 makes it 128 x 128"


@case
def picture_that_is_a_row_of_scores(small: Path, tmp: Path) -> Broken:
    return under(small, "classifier", {}), "float32 [3] a picture: kind image needs 3 dimensions"


@case
def picture_with_its_channels_elsewhere(small: Path, tmp: Path) -> Broken:
    return under(small, "graph", {"layout": "nchw"}), "of which the first is 1, 3 or 4 channels"


@case
def picture_of_bytes_in_the_range_of_shares(small: Path, tmp: Path) -> Broken:
    return under(small, "bytes_of_a_picture", {}), "all above 1 would be white"


@case
def jpeg_with_alpha(small: Path, tmp: Path) -> Broken:
    return under(small, "with_alpha", {"format": "jpeg", "range": {"low": -1, "high": 1}}), "a JPEG holds no alpha"


@case
def mean_of_two_channels_for_three(small: Path, tmp: Path) -> Broken:
    return under(small, "graph", {"add_mean": [1.0, 2.0]}), "add_mean has 2 numbers; give 1 or 3"


@case
def class_numbers_that_no_grey_value_holds(small: Path, tmp: Path) -> Broken:
    return under(small, "class_numbers_above_255", {"kind": "segmentation"}), "303 classes are more than the 256 grey"


@case
def palette_that_is_too_short(small: Path, tmp: Path) -> Broken:
    output = {"kind": "segmentation", "palette": ["#000000", "#ffffff"]}
    return under(small, "segmenter", output), "3 classes are more than the 2 colours"


@case
def labels_that_are_too_few(small: Path, tmp: Path) -> Broken:
    return under(small, "classifier", {"kind": "classification", "labels": ["a", "b"]}), "labels has 2"


@case
def classification_of_every_pixel(small: Path, tmp: Path) -> Broken:
    return under(small, "graph", {"kind": "classification"}), "needs one row of scores"


@case
def regression_of_every_pixel(small: Path, tmp: Path) -> Broken:
    return under(small, "graph", {"kind": "regression"}), "needs one number"


@case
def answers_that_do_not_count_the_pictures(small: Path, tmp: Path) -> Broken:
    spec = under(small, "boxes_without_a_batch", {"kind": "tensor"})
    return spec, "`output` is [10, 3] for a batch of one picture"


@case
def output_of_text(small: Path, tmp: Path) -> Broken:
    return under(small, "text_beside_a_picture", {}), "The output `licence` is text, not pictures or numbers"


@case
def contract_of_an_output_that_there_is_not(small: Path, tmp: Path) -> Broken:
    spec = under(small, "two_pictures", {"range": {"low": -1, "high": 1}}, outputs={"nigth": {"kind": "tensor"}})
    return spec, "names `nigth`, which the network does not give; it gives day, night"


@case
def output_with_a_name_that_no_request_can_have(small: Path, tmp: Path) -> Broken:
    return under(small, "a_name_with_a_space", {}), "An output is called 'my picture'"
