"""One list of names: in the spec, on the command line, in the exporter."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from tendies_ops.cli.export import with_rewrites
from tendies_ops.errors import UsageError
from tendies_ops.export.optimize.int8_weights import quantize
from tendies_ops.export.optimize.variants import REWRITES
from tendies_ops.spec import REWRITE_NAMES, ModelSpec, OptimizeSpec


def spec(**more: object) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "/c"}, **more})


def test_every_name_of_the_spec_is_a_rewrite_and_the_other_way_round() -> None:
    assert tuple(REWRITES) == REWRITE_NAMES


def test_the_short_forms_mean_the_long_one() -> None:
    assert spec(optimize="auto").optimize == OptimizeSpec(rewrites="auto")
    assert spec(optimize=["fold", "bfloat16"]).optimize.rewrites == ("fold", "bfloat16")
    assert spec().optimize.rewrites == "none"
    with pytest.raises(ValidationError):
        spec(optimize="fastest")


def test_a_spec_survives_the_way_to_the_child_process() -> None:
    for wanted in ("auto", ["fold"]):
        given = spec(optimize=wanted)
        assert ModelSpec.model_validate(given.model_dump(mode="json")) == given


def test_the_command_line_overrides_the_rewrites_and_keeps_the_limits() -> None:
    given = spec(optimize={"rewrites": "none", "min_psnr_db": 50})
    changed = with_rewrites(given, "fold, bfloat16").optimize

    assert changed.rewrites == ("fold", "bfloat16")
    assert changed.min_psnr_db == 50
    assert with_rewrites(given, "auto").optimize.rewrites == "auto"
    assert with_rewrites(given, None) is given
    with pytest.raises(UsageError, match="int8_weights"):
        with_rewrites(given, "fold,faster")


def test_integers_times_scales_are_the_weights_to_half_a_step() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (3, 3, 8, 16))
    weights = (noise * np.arange(16)).astype(np.float32)
    integers, scales = quantize(weights, (3,))

    assert scales.shape == (1, 1, 1, 16)
    assert np.abs(integers).max() == 127
    assert (np.abs(integers * scales - weights) <= scales * 0.5001).all()
    assert (integers[..., 0] == 0).all(), "a channel of zeros stays one"
