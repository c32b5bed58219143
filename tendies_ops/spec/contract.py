"""The contract: how the bytes of a picture become the network's tensor, and how its tensor becomes bytes."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, StringConstraints, model_validator

from tendies_ops.spec.parameters import ExtraInput
from tendies_ops.spec.strict_model import SpecPart

#: Names that an input may have in a request.
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.-]*")
_TAKEN_INPUTS = ("image", "input_bytes", "examples")
HexColor = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class ValueRange(SpecPart):
    """The numbers for black and white. Pixels are mapped linearly: 0 -> ``low``, 255 -> ``high``."""

    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _is_a_range(self) -> ValueRange:
        if self.high <= self.low:
            raise ValueError(f"high ({self.high}) must be above low ({self.low})")
        return self


class Size(SpecPart):
    """A size in pixels."""

    height: PositiveInt
    width: PositiveInt


class InputContract(SpecPart):
    """
    From the file to the tensor.

    In this order: decode to 8 bits a channel, alpha, resize, pad to ``multiple_of``, colour order, ``range``,
    ``subtract_mean``, ``divide_by``, dtype, layout.
    """

    channels: Literal[1, 3, 4] = Field(3, description="1 grey, 3 colour, 4 colour and alpha")
    alpha: Literal["drop", "over_white", "over_black"] = Field(
        "drop", description="transparent pixels: keep the colour below the alpha, or put the picture on a colour"
    )
    color_order: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    dtype: Literal["float32", "float16", "uint8"] = Field("float32", description="uint8: the pixels 0..255 as they are")
    range: ValueRange = Field(ValueRange(), description="the numbers that the network takes for black and white")
    subtract_mean: tuple[float, ...] | None = Field(None, description="per channel, after the range, in channel order")
    divide_by: tuple[float, ...] | None = Field(
        None, description="per channel (a standard deviation), after subtract_mean, in channel order"
    )
    size: Size | None = Field(None, description="the one size that the network takes; absent: any size")
    resize: Literal["exact", "bilinear", "bicubic", "area"] = Field(
        "exact",
        description="for a picture of another size than `size`: refuse it (exact), or resize it in the graph",
    )
    multiple_of: PositiveInt = Field(
        1, description="the network's stride: pictures are padded by reflection up to this and cropped back after"
    )
    margin: NonNegativeInt = Field(
        0,
        description="pixels added by reflection on each side, for a network without padding that cuts them off again",
    )
    max_megapixels: PositiveFloat = Field(64.0, description="larger pictures are refused before they are decoded")
    batch_size: PositiveInt | None = Field(
        None, description="1 for a network built for one picture at a time; absent: read from the graph, else any"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> InputContract:
        for key in ("subtract_mean", "divide_by"):
            values = getattr(self, key)
            if values is not None and len(values) not in (1, self.channels):
                raise ValueError(f"{key} has {len(values)} numbers; give 1 or {self.channels}, one a channel")
        if self.divide_by is not None and 0.0 in self.divide_by:
            raise ValueError("divide_by must not contain 0")
        if self.dtype == "uint8" and (self.subtract_mean or self.divide_by):
            raise ValueError("dtype uint8 passes the pixels unchanged: omit subtract_mean and divide_by")
        if self.dtype == "uint8" and (self.range.low, self.range.high) not in ((0.0, 1.0), (0.0, 255.0)):
            raise ValueError(
                f"dtype uint8 passes the pixels 0..255 unchanged: omit range ({self.range.low:g} to "
                f"{self.range.high:g}), or use dtype float32"
            )
        if self.batch_size not in (None, 1):
            raise ValueError(f"batch_size {self.batch_size} is not supported; build the network for 1 or for any batch")
        if self.size is None and self.resize != "exact":
            raise ValueError(f"resize: {self.resize} needs `size`, the size to resize to")
        return self

    @model_validator(mode="after")
    def _margin_has_room(self) -> InputContract:
        if self.size is not None and self.margin:
            raise ValueError("margin is for networks that take any size: leave out size, or the margin")
        return self


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
