"""What `--fan-out` makes of its texts, and where results go."""

from __future__ import annotations

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.inference.several_runs.fan_out import folder_of, read_combinations


def test_a_range_has_both_ends() -> None:
    assert read_combinations(["style=0..2"]) == [{"style": 0}, {"style": 1}, {"style": 2}]


def test_several_dimensions_make_every_combination() -> None:
    found = read_combinations(["style=monet,wave", "strength=0.5,1"])

    assert len(found) == 4
    assert folder_of(found[0]) == "style=monet,strength=0.5"


def test_a_value_never_leaves_the_output_folder() -> None:
    assert "/" not in folder_of({"style": "../../etc"})


@pytest.mark.parametrize("text", ["style", "=3", "style=", "style=,"])
def test_a_text_that_names_no_values_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"NAME=FIRST\.\.LAST"):
        read_combinations([text])


def test_more_than_a_thousand_combinations_are_refused() -> None:
    with pytest.raises(UsageError, match="1,000 are allowed"):
        read_combinations(["a=0..99", "b=0..10"])
