"""
Boxes that a detector found.

Outputs are those of the TensorFlow Object Detection API: ``detection_boxes`` [K, 4] as top, left, bottom, right from 0
to 1, ``detection_scores`` [K], ``detection_classes`` [K] from 1, ``num_detections``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.picture.sizes import Window

_SAME_OBJECT_IOU = 0.5  # boxes of two tiles that share more than this are one object


@dataclass(frozen=True, slots=True)
class Detection:
    """One box."""

    class_number: int
    label: str
    score: float
    box: Window  #: top, left, bottom, right; 0 to 1

    def as_dict(self, size: tuple[int, int]) -> dict[str, Any]:
        """
        Return JSON.

        :param size: height and width of the upright picture, for the box in pixels.
        """
        height, width = size
        top, left, bottom, right = self.box
        pixels = [round(top * height), round(left * width), round(bottom * height), round(right * width)]
        return {
            "class": self.class_number,
            "label": self.label,
            "score": round(self.score, 6),
            "box": [round(place, 6) for place in self.box],
            "box_pixels": pixels,
        }


def read_detections(row: Mapping[str, Any], labels: Sequence[str]) -> list[Detection]:
    """
    Return the boxes of one answer, best first.

    :param labels: names of the classes 1, 2, ...
    :raises PictureError: the answer has another form.
    """
    try:
        count = round(row.get("num_detections", len(row["detection_scores"])))
        classes = row.get("detection_classes") or [1] * count
        columns = zip(row["detection_boxes"], row["detection_scores"], classes, strict=False)
        found = [_detection(box, score, number, labels) for box, score, number in list(columns)[:count] if score > 0]
    except (KeyError, TypeError, ValueError) as error:
        raise PictureError("bad_output", f"the model's boxes are invalid: {error}") from error
    return sorted(found, key=lambda one: -one.score)


def join_detections(parts: Sequence[list[Detection]], windows: Sequence[Window]) -> list[Detection]:
    """
    Return the boxes of all parts in the coordinates of the picture, each object once, best first.

    :param windows: place of each part in the picture; ``parts`` and ``windows`` have the same length.
    """
    moved = [_moved(one, window) for part, window in zip(parts, windows, strict=True) for one in part]
    found = sorted((one for one in moved if _area(one.box) > 0), key=lambda one: -one.score)
    if len(parts) == 1:
        return found
    kept: list[Detection] = []
    for one in found:  # non-maximum suppression: tiles that overlap see the same object
        rivals = (other for other in kept if other.class_number == one.class_number)
        if all(_shared(one.box, rival.box) <= _SAME_OBJECT_IOU for rival in rivals):
            kept.append(one)
    return kept


def _detection(box: Sequence[float], score: float, number: float, labels: Sequence[str]) -> Detection:
    top, left, bottom, right = (float(place) for place in box)
    class_number = round(number)
    label = labels[class_number - 1] if 1 <= class_number <= len(labels) else f"class {class_number}"
    return Detection(class_number, label, float(score), (top, left, bottom, right))


def _moved(one: Detection, window: Window) -> Detection:
    height, width = window[2] - window[0], window[3] - window[1]
    top, left, bottom, right = one.box
    places = (
        window[0] + top * height, window[1] + left * width, window[0] + bottom * height, window[1] + right * width
    )  # fmt: skip
    within = tuple(min(1.0, max(0.0, place)) for place in places)
    return Detection(one.class_number, one.label, one.score, (within[0], within[1], within[2], within[3]))


def _area(box: Window) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _shared(first: Window, second: Window) -> float:
    """Return the intersection over union."""
    both = (max(first[0], second[0]), max(first[1], second[1]), min(first[2], second[2]), min(first[3], second[3]))
    shared = _area(both)
    return shared / max(_area(first) + _area(second) - shared, 1e-12)
