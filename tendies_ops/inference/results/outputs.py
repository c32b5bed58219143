"""The outputs of a model, from its manifest or, without one, from the server's metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tendies_ops.errors import BadAnswerError
from tendies_ops.inference.picture.header import identify
from tendies_ops.inference.results.inputs import inputs_other_than_the_picture
from tendies_ops.spec import Manifest
from tendies_ops.spec.parameters import ExtraInput

AnswerKind = Literal["picture", "detection", "values"]
Shapes = Mapping[str, tuple[int, ...] | None]  # of each output; -1 is any length, None any rank

_SIGNATURE = "serving_default"
# Source: TensorFlow Object Detection API, exporter_lib_v2 and core/standard_fields.py DetectionResultFields.
_DETECTION_OUTPUTS = frozenset({"detection_boxes", "detection_scores"})
_FREE_LENGTHS_OF_A_PICTURE = 2  # height and width


@dataclass(frozen=True, slots=True)
class Answers:
    """
    The outputs of a signature, and what is known of their meaning.

    :param outputs: names; empty if they are not known: the answers then count as pictures.
    :param labels: names of the classes, the first of a detection's being class 1.
    :param fixed_classes: the scores of every picture are those of ``labels``, in this order.
    :param same_size: all pictures of a request must have the same size, because the model makes one tensor of them.
    :param inputs: what the model takes besides the picture, by name.
    """

    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    fixed_classes: bool = False
    same_size: bool = False
    inputs: Mapping[str, ExtraInput] = field(default_factory=dict)

    @property
    def kind(self) -> AnswerKind:
        """``picture``: one whole file. ``detection``: boxes. ``values``: anything else, with or without pictures."""
        if not self.outputs or (len(self.outputs) == 1 and self.pictures):
            return "picture"
        return "detection" if _DETECTION_OUTPUTS.issubset(self.outputs) else "values"

    @property
    def pictures(self) -> tuple[str, ...]:
        """The outputs that are whole files."""
        return tuple(name for name in self.outputs if name.endswith("_bytes"))

    def facts(self) -> dict[str, Any]:
        """Return the facts that a result needs to be made again; empty for one picture."""
        if self.kind == "picture":
            return {}
        return {"outputs": self.outputs, **({"labels": self.labels} if self.kind == "detection" else {})}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Answers:
        """Build Answers from the output of :meth:`facts`."""
        return cls(tuple(facts.get("outputs", ())), tuple(facts.get("labels", ())))

    def row(self, value: Any) -> dict[str, Any]:
        """
        Return one entry of ``predictions``, by output.

        :raises BadAnswerError: it lacks an output, or one that should be a picture is not.
        """
        row = {self.outputs[0]: value} if len(self.outputs) == 1 else value
        if not isinstance(row, dict) or not row.keys() >= set(self.outputs):
            raise BadAnswerError(f"the model's answer lacks some of the outputs {', '.join(self.outputs)}")
        for name in self.pictures:
            check_picture(row[name])
        return row


def check_picture(answer: Any) -> None:
    """
    Check that an answer begins like a picture file.

    :raises BadAnswerError: it does not.
    """
    if not isinstance(answer, bytes):
        raise BadAnswerError(f"the model answered a {type(answer).__name__} where a picture was promised")
    if identify(answer[:20]) is None:
        raise BadAnswerError(f"the model answered {len(answer)} bytes that are not a picture")


def describe_answers(manifest: Manifest | None, metadata: Mapping[str, Any]) -> Answers:
    """
    Find out the outputs of a version.

    :param manifest: of the version, if its directory is visible.
    :param metadata: the server's description of its signatures; may be empty.
    """
    inputs = inputs_other_than_the_picture(manifest, metadata)
    signature = manifest.signatures.get(_SIGNATURE) if manifest is not None else None
    if manifest is None or signature is None:
        shapes = _shapes_text(metadata)
        return Answers(tuple(sorted(shapes)), same_size=_needs_same_size(shapes), inputs=inputs)
    shapes = {name: entry.shape for name, entry in signature.outputs.items()}
    contract = manifest.contract.output
    fixed = contract.kind == "classification" and contract.top_k is None
    return Answers(tuple(sorted(shapes)), contract.labels or (), fixed, _needs_same_size(shapes), inputs)


def _shapes_text(metadata: Mapping[str, Any]) -> Shapes:
    """Return the shape of each output from ``/metadata``; empty if the answer has another form."""
    try:
        outputs = metadata["metadata"]["signature_def"]["signature_def"][_SIGNATURE]["outputs"]
        shapes = {name: _shape_text(entry["tensor_shape"]) for name, entry in outputs.items()}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return {}
    return shapes if all(name.isprintable() for name in shapes) else {}


def _shape_text(shape: Mapping[str, Any]) -> tuple[int, ...] | None:
    return None if shape.get("unknown_rank") else tuple(int(one["size"]) for one in shape.get("dim", ()))


def _needs_same_size(shapes: Shapes) -> bool:
    """Return True if outputs have the size of their picture: such outputs only fit into a tensor if all sizes agree."""
    numbers = [shape for name, shape in shapes.items() if not name.endswith("_bytes")]
    return any(shape is not None and shape[1:].count(-1) >= _FREE_LENGTHS_OF_A_PICTURE for shape in numbers)
