"""The contract: how the bytes of a picture become the network's tensor, and how its tensor becomes bytes."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from tendies_ops.spec.input_contract import InputContract, ValueRange
from tendies_ops.spec.parameters import ExtraInput
from tendies_ops.spec.strict_model import SpecPart

#: Names that an input may have in a request.
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]*")
_TAKEN_INPUTS = ("image", "input_bytes", "examples")
HexColor = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class OutputContract(SpecPart):
    """From one tensor of the network to the client's answer."""

    kind: Literal["image", "detection", "segmentation", "classification", "regression", "tensor"] = "image"
    color_order: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    range: ValueRange = Field(ValueRange(), description="the numbers that the network gives for black and white")
    add_mean: tuple[float, ...] | None = Field(None, description="per channel, before the range is undone")
    format: Literal["png", "jpeg"] = "png"
    png_compression: int = Field(1, ge=0, le=9, description="1 costs half the time of 6 for files 4-12 % larger")
    jpeg_quality: int = Field(95, ge=1, le=100)
    scale: PositiveInt = Field(1, description="output pixels per input pixel along each side (super-resolution: 2, 4)")
    restore_size: bool = Field(
        False, description="bring a result of another size back to the size of the picture (times `scale`)"
    )
    labels: tuple[str, ...] | None = Field(None, min_length=1, description="class names of a classification")
    activation: Literal["none", "softmax", "sigmoid"] = Field(
        "none",
        description="turns logits into scores, before `range` and `threshold`; for a detection, in `...scores` only",
    )
    top_k: PositiveInt | None = Field(None, description="classification: only the k best classes, best first")
    threshold: float = Field(
        0.5, description="segmentation with one channel: what is above it, after the activation, is class 1"
    )
    palette: tuple[HexColor, ...] | None = Field(
        None,
        min_length=1,
        description="segmentation: a colour a class, `#rrggbb`; absent: a grey PNG of class numbers",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> OutputContract:
        if self.kind == "segmentation" and self.format == "jpeg" and self.palette is None:
            raise ValueError("a JPEG changes the class numbers of a segmentation: use format png, or give a palette")
        if self.kind == "classification" and self.top_k is not None and self.labels is None:
            raise ValueError("top_k needs labels, because it drops the positions by which unnamed classes are known")
        return self


class Contract(SpecPart):
    """The contract of the network's inputs and outputs."""

    input: InputContract = InputContract()
    output: OutputContract = Field(OutputContract(), description="each output that `outputs` does not name")
    outputs: dict[str, OutputContract] = Field(default_factory=dict, description="for models with several outputs")
    extra_inputs: dict[str, ExtraInput] = Field(
        default_factory=dict, description="name in the signature -> input besides the picture that each request sets"
    )

    @model_validator(mode="after")
    def _names_are_free(self) -> Contract:
        for name in self.extra_inputs:
            if name in _TAKEN_INPUTS or not _NAME.fullmatch(name):
                raise ValueError(
                    f"an extra input cannot be called {name!r}: use letters, digits, `_`, `-` and `.`; "
                    f"{', '.join(_TAKEN_INPUTS)} name the picture"
                )
        return self

    def for_output(self, name: str) -> OutputContract:
        """Return the contract of the network's output ``name``."""
        return self.outputs.get(name, self.output)
