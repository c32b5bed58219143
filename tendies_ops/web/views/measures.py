"""Tables of the difference between a candidate's pictures and the live version's, with units and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tendies_ops.spec.release_spec import GateSpec
from tendies_ops.web.sources.typed import is_number


@dataclass(frozen=True)
class Measure:
    """One kind of measure."""

    key: str
    words: str
    unit: str = ""
    larger_is_worse: bool = True


MEASURES = (
    Measure("ssim", "Structural similarity (SSIM)", larger_is_worse=False),
    Measure("psnr_db", "PSNR", " dB", larger_is_worse=False),
    Measure("mean_abs", "Mean difference, of 255"),
    Measure("max_abs", "Largest difference, of 255"),
    Measure("color_shift", "Shift of the mean colour, of 255"),
    Measure("edge_shift", "Change of the edges, of 255"),
)


@dataclass(frozen=True)
class MeasureRow:
    """One measure over all pictures."""

    measure: Measure
    mean: float
    worst: float
    picture: str  #: the one with the worst value
    limit: float | None

    @property
    def limit_words(self) -> str:
        """Return the limit of the spec; empty: it has none for this measure."""
        if self.limit is None:
            return ""
        return f"at {'most' if self.measure.larger_is_worse else 'least'} {self.limit:g}{self.measure.unit}"

    @property
    def is_within(self) -> bool:
        """Return True unless the worst picture is beyond the limit."""
        if self.limit is None:
            return True
        return self.worst <= self.limit if self.measure.larger_is_worse else self.worst >= self.limit


@dataclass(frozen=True)
class Measured:
    """The measures of one picture."""

    name: str
    values: Mapping[str, float]

    def value(self, key: str) -> float | None:
        """Return one value; None: it was not measured, or the pictures are identical (PSNR)."""
        return self.values.get(key)


def measured_pictures(images: object) -> tuple[Measured, ...]:
    """Return what the gate measured, the largest difference first. What has another shape is left out."""
    found = images.items() if isinstance(images, dict) else ()
    rows = [Measured(str(name), _numbers(values)) for name, values in found]
    return tuple(sorted(rows, key=lambda row: (row.values.get("ssim", 1.0), -row.values.get("mean_abs", 0.0))))


def measure_rows(pictures: tuple[Measured, ...], gate: GateSpec) -> tuple[MeasureRow, ...]:
    """Return one row for each measure: mean, worst picture and limit."""
    limits = {"ssim": gate.min_ssim, "mean_abs": gate.max_change}
    rows = []
    for measure in MEASURES:
        found = {picture.name: value for picture in pictures if (value := picture.value(measure.key)) is not None}
        if found:
            worst = max(found, key=lambda name: found[name] if measure.larger_is_worse else -found[name])
            mean = sum(found.values()) / len(found)
            rows.append(MeasureRow(measure, mean, found[worst], worst, limits.get(measure.key)))
    return tuple(rows)


def _numbers(values: Any) -> dict[str, float]:
    found = values.items() if isinstance(values, dict) else ()
    return {str(key): float(value) for key, value in found if is_number(value)}
