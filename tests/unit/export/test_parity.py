"""What counts as the same."""

from __future__ import annotations

import numpy as np
import pytest

from tendies_ops.errors import ParityError
from tendies_ops.export.network import count_not_finite
from tendies_ops.export.parity import Unit, measure


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("unit", ["absolute", "of_255"])
def test_what_is_not_a_number_is_never_within_a_tolerance(bad: float, unit: Unit) -> None:
    with pytest.raises(ParityError, match="gives `scores` with 1 of 3 numbers NaN or infinite"):
        measure("cat", "scores", unit, np.array([0.5, bad, 0.5]), np.array([0.5, 0.5, 0.5]))


def test_numbers_above_1_are_compared_relative_to_the_largest() -> None:
    entry = measure("cat", "boxes", "absolute", np.array([200.0, 101.0]), np.array([200.0, 100.0]))
    assert entry.max_abs == pytest.approx(0.005)


def test_another_shape_is_said() -> None:
    with pytest.raises(ParityError, match=r"as \[2\], its source \[3\]"):
        measure("cat", "boxes", "absolute", np.zeros(2), np.zeros(3))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_numbers_that_are_none_are_counted_in_every_precision(dtype: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kind = ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype
    assert count_not_finite(np.array([1.0, np.nan, np.inf], kind)) == 2
    assert count_not_finite(np.array([1, 2])) == 0
