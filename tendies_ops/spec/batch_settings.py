"""
The settings of a batch run, each described once: name, unit, range, default and meaning.

The ``batch`` section of a spec, the options of ``tendies batch``, the arguments of the batch operator and the options
of the core are all made from this class; each setting has the same name and unit in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from tendies_ops.spec.hours import HoursOfDay
from tendies_ops.spec.login_settings import LoginSettings
from tendies_ops.spec.parameters import Rules, Values

SizePolicy = Literal["fit", "pad", "crop", "tile"]
OutputFormat = Literal["as_answered", "png", "jpeg", "webp"]
#: In place of a version's number: the highest that is AVAILABLE, also one that a release is still proving.
NEWEST = "newest"
_LABEL = re.compile(r"[^/:\s]+")  # what Model Server's REST paths can name
_SIZE = re.compile(r"\s*(\d+)[xX](\d+)\s*")
_CHANGES_OUTPUT: dict[str, JsonValue] = {"changes_output": True}


def _to_list(value: Any) -> Any:
    """Split a text at its commas, which is what a template and a form give for a list."""
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip()) if _are_texts(parts) else value


def _to_size(value: Any) -> Any:
    if isinstance(value, Mapping) and value.keys() == {"height", "width"}:
        return value["height"], value["width"]
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value)
    if match is None:
        raise ValueError("must be a height and a width in pixels, such as 256x384")
    return int(match[1]), int(match[2])


def _to_version(value: Any) -> Any:
    if isinstance(value, str) and _LABEL.fullmatch(value) and not value.lstrip("+-").isdigit():
        return value
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise ValueError(f"must be the number of a version (1 or more), a label such as stable, or {NEWEST}")
    return number


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)


VersionChoice = Annotated[int | str, BeforeValidator(_to_version)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_to_list)]
PixelSize = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_to_size)]


class BatchSettings(LoginSettings):
    """Settings of a batch: a folder of pictures through a model."""

    version: VersionChoice | None = Field(
        None,
        description="number of a version, a label that the servers know, or `newest` for the highest AVAILABLE one, "
        "proved or not; absent: the version in service",
    )
    include: Patterns = Field(
        (),
        description="only pictures that match one of these patterns; one without `/` is compared with the name, else "
        "with the path below the input; `**` spans folders",
    )
    exclude: Patterns = Field((), description="no pictures and folders that match one of these patterns")
    include_hidden: bool = Field(False, description="take names that start with a dot as well")
    size: PixelSize | None = Field(
        None,
        description="height and width in pixels that the model takes, as `256x384`; absent: the manifest's, or any",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    size_policy: SizePolicy = Field(
        "fit",
        description="bring pictures of another size to `size`: squeeze (`fit`), `pad`, `crop`, or `tile`",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    overlap: NonNegativeInt | None = Field(
        None,
        description="overlap of tiles in pixels, up to half a tile; absent: a quarter of the shorter side",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    restore_size: bool = Field(
        False,
        description="bring the results of `fit`, `pad` and `crop` back to the size of what the model saw",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    class_pixels: bool = Field(
        False,
        description="output pixels are class indices, which are never blended; also if the manifest marks them so",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    parameters: Values = Field(
        default_factory=dict,
        description="values of the model's inputs besides the picture, such as `style=9`",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    parameters_by_path: Rules = Field(
        default_factory=dict,
        description="pattern of paths below the input -> values for its pictures; of patterns that match, later ones "
        "win",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    min_score: float = Field(
        0.5,
        description="detections with a lower score are not drawn; the JSON file has them all",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    animated: Literal["first", "all"] = Field(
        "first", description="frames of an animated file to process", json_schema_extra=_CHANGES_OUTPUT
    )
    output_format: OutputFormat = Field(
        "as_answered", description="file format of the results", json_schema_extra=_CHANGES_OUTPUT
    )
    output_quality: int = Field(
        95, ge=1, le=100, description="quality of JPEG and WebP results", json_schema_extra=_CHANGES_OUTPUT
    )
    provenance: bool = Field(
        True,
        description="write into each result which model, version and settings made it",
        json_schema_extra=_CHANGES_OUTPUT,
    )
    max_batch_size: PositiveInt = Field(
        32, description="pictures (or tiles) in a request; lowered if the server takes fewer"
    )
    max_request_mib: PositiveFloat = Field(
        16.0, description="encoded MiB in a request, unless a single picture is larger"
    )
    max_request_megapixels: PositiveFloat = Field(
        32.0, description="megapixels in a request, unless a single picture is larger"
    )
    max_concurrency: PositiveInt = Field(
        8, description="requests at a server at the same time; the run finds the best number up to it"
    )
    max_rate: PositiveFloat | None = Field(
        None, description="pictures (or tiles) a second at most, from all tasks of a batch together; absent: no limit"
    )
    hours: HoursOfDay | None = Field(
        None,
        description="hours of the day in which requests are sent, such as `22:00-06:00 Europe/Berlin` (without a zone: "
        "UTC); the run waits outside them",
    )
    max_mib_in_flight: PositiveFloat = Field(
        256.0, description="estimated memory in MiB of pictures that are read and not yet written"
    )
    max_file_mib: PositiveFloat = Field(256.0, description="larger files, in MiB, fail without being read")
    max_megapixels: PositiveFloat = Field(
        64.0, description="larger pictures fail without being decoded; all frames of a file may have 4 times as many"
    )
    max_frames: PositiveInt = Field(1000, description="animated files with more frames fail")
    max_failed: NonNegativeFloat | None = Field(
        None,
        description="more failed pictures than this fail the run: a count, or a share of all pictures when below 1; "
        "absent: a tenth, at least 1",
    )
    allow_empty: bool = Field(False, description="succeed if the input has no pictures")
    retry_failed: bool = Field(False, description="try pictures again that failed before and have not changed")
    take_over: bool = Field(
        False, description="replace results of another model or another input folder that are in the output"
    )
    sample: PositiveInt | None = Field(
        None, description="process only this many pictures, spread over the folder; the same ones each time"
    )
    timeout_s: PositiveFloat = Field(60.0, description="seconds to wait for a server's response")
    server_timeout_s: PositiveFloat = Field(
        30.0,
        description="the server's own limit for a request in seconds (`--rest_api_timeout_in_ms`); requests are kept "
        "below it",
    )
    sick_deadline_s: PositiveFloat = Field(300.0, description="give up if no server has answered for this many seconds")

    def given(self) -> dict[str, Any]:
        """Return the settings that were given a value, which may be the default."""
        return {name: getattr(self, name) for name in BatchSettings.model_fields if name in self.model_fields_set}
