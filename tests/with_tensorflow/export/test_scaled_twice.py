"""What docs/explanation/from-the-2018-notebook.md says of pictures scaled twice, on the notebook's own case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tendies_ops.spec import ModelSpec, load_spec
from tests.support.examples import EXAMPLES, load_example
from tests.support.pixels import pixels_of
from tests.with_tensorflow.export.exported import ExportHere

RIGHT = EXAMPLES / "models" / "noise_to_stripes.yaml"
BLACK_SCALED_TWICE, WHITE_SCALED_TWICE = -1.0, 1.0 / 127.5 - 1.0


@pytest.fixture(scope="module")
def spec_scaled_twice() -> ModelSpec:
    """The example's spec, with what both scalings of the notebook make of black and white."""
    spec = load_spec(RIGHT)
    black_and_white = spec.contract.input.range.model_copy(
        update={"low": BLACK_SCALED_TWICE, "high": WHITE_SCALED_TWICE}
    )
    seen = spec.contract.input.model_copy(update={"range": black_and_white})
    return spec.model_copy(update={"contract": spec.contract.model_copy(update={"input": seen})})


def test_instance_normalisation_hides_it(spec_scaled_twice: ModelSpec, export_here: ExportHere, tmp_path: Path) -> None:
    paths = load_example("noise_to_stripes/make_noise.py").write_noise_pictures(tmp_path, 64, seed=2018)
    noise = [path.read_bytes() for path in paths]

    right, twice = (export_here(spec).send(*noise)["output_bytes"] for spec in (load_spec(RIGHT), spec_scaled_twice))

    pairs = zip(right, twice, strict=True)
    apart = np.abs([pixels_of(one).astype(int) - pixels_of(other) for one, other in pairs])
    assert apart.mean() == pytest.approx(1.7, abs=0.2)
    assert 10 < apart.max() < 30
