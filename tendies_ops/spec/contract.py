"""The contract: how the bytes of a picture become the network's tensor, and how its tensor becomes bytes again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from tendies_ops.spec.base import SpecPart


class ValueRange(SpecPart):
    """Which numbers stand for black and white. Pixels are mapped linearly: 0 -> ``low``, 255 -> ``high``."""

    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _is_a_range(self) -> ValueRange:
        if self.high <= self.low:
            raise ValueError(f"high ({self.high}) must be above low ({self.low})")
        return self


class Size(SpecPart):
    """Pixels."""

    height: PositiveInt
    width: PositiveInt


class InputContract(SpecPart):
    """From the file to the tensor."""

    channels: Literal[1, 3, 4] = 3
    color_order: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    range: ValueRange = ValueRange()
    subtract_mean: tuple[float, ...] | None = Field(None, description="per channel, after the range, in channel order")
    size: Size | None = Field(None, description="the one size that the network takes; absent: any size")
    resize: Literal["exact", "bilinear", "bicubic", "area"] = Field(
        "exact",
        description="what to do with a picture of another size than `size`: refuse it (exact), or resize in the graph",
    )
    multiple_of: PositiveInt = Field(
        1, description="the network's stride: pictures are padded by reflection up to this and cropped back after"
    )
    max_megapixels: PositiveFloat = Field(64.0, description="larger pictures are refused before they are decoded")


class OutputContract(SpecPart):
    """From the tensor to the file."""

    kind: Literal["image", "detection", "segmentation", "classification", "tensor"] = "image"
    color_order: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    range: ValueRange = ValueRange()
    format: Literal["png", "jpeg"] = "png"
    png_compression: int = Field(1, ge=0, le=9, description="1 costs half the time of 6 for files 4-12 % larger")
    jpeg_quality: int = Field(95, ge=1, le=100)
    scale: PositiveInt = Field(1, description="output pixels per input pixel along each side (super-resolution: 2, 4)")
    labels: tuple[str, ...] | None = Field(None, description="class names, for classification and segmentation")


class Contract(SpecPart):
    """Both ends."""

    input: InputContract = InputContract()
    output: OutputContract = OutputContract()
