"""The input contract: how the bytes of a picture become the network's tensor."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from tendies_ops.spec.strict_model import SpecPart


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
