"""The parameters of a run as the pages show them, and whether another run would have the same."""

from __future__ import annotations

from typing import Any

import pytest

from tendies_ops.spec.parameters import ExtraInput
from tendies_ops.web.run.parameter_words import own_parameters

INPUTS = {"style": ExtraInput(tensor="s", one_hot=26, default=0, choices={"ink": 3})}


@pytest.mark.parametrize(
    ("given", "of_spec", "own"),
    [
        (None, [{}], ""),
        ({}, [{}], ""),
        ({"style": 3}, [{"style": "ink"}], ""),
        ({"style": "ink"}, [{}, {"style": 3}], ""),
        ({"style": "ink"}, [{}], "style ink (3)"),
        ({}, [{"style": "ink"}], "none"),
        ({"style": 4}, ["{{ params.styles }}"], "style 4"),
    ],
)
def test_a_retry_is_for_runs_whose_parameters_the_spec_has(given: Any, of_spec: list[Any], own: str) -> None:
    assert own_parameters(given, of_spec, INPUTS) == own
