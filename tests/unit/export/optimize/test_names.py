"""One list of precisions: in the spec, on the command line, in the exporter."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tendies_ops.cli.export import with_precision
from tendies_ops.errors import UsageError
from tendies_ops.export.optimize import precisions
from tendies_ops.spec import PRECISIONS, ModelSpec, OptimizeSpec


def spec(**more: object) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "/c"}, **more})


def test_every_precision_of_the_spec_can_be_made_and_the_other_way_round() -> None:
    assert {"float32", "auto", *precisions.PRECISIONS} == set(PRECISIONS)


def test_the_short_form_means_the_long_one() -> None:
    assert spec(optimize="auto").optimize == OptimizeSpec(precision="auto")
    assert spec().optimize.precision == "float32"
    with pytest.raises(ValidationError, match="bfloat16"):
        spec(optimize="fastest")


def test_a_spec_survives_the_way_to_the_child_process() -> None:
    for wanted in ("auto", "bfloat16"):
        given = spec(optimize=wanted)
        assert ModelSpec.model_validate(given.model_dump(mode="json")) == given


def test_the_command_line_overrides_the_precision_and_keeps_the_limits() -> None:
    given = spec(optimize={"precision": "float32", "min_psnr_db": 50})
    changed = with_precision(given, "bfloat16").optimize

    assert changed.precision == "bfloat16"
    assert changed.min_psnr_db == 50
    assert with_precision(given, "auto").optimize.precision == "auto"
    assert with_precision(given, None) is given
    with pytest.raises(UsageError, match="bfloat16"):
        with_precision(given, "faster")
