"""Values for the inputs that a model takes besides the picture."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tendies_ops.errors import UsageError
from tendies_ops.spec import BatchSettings
from tendies_ops.spec.parameters import ExtraInput, read_values

STYLE = ExtraInput(tensor="s", one_hot=26, default=0, choices={})
NAMED = ExtraInput(tensor="s", choices={"monet": 9, "wave": 17}, description="the painter")
STRENGTH = ExtraInput(tensor="a", minimum=0, maximum=1, default=1)


def test_what_is_not_given_has_its_default() -> None:
    assert read_values({"style": STYLE, "strength": STRENGTH}, {"style": 9}) == {"style": 9, "strength": 1}


def test_the_name_of_a_choice_stands_for_its_value() -> None:
    assert read_values({"style": NAMED}, {"style": "wave"}) == {"style": 17}
    assert read_values({"style": NAMED}, {"style": 9}) == {"style": 9}


@pytest.mark.parametrize(
    ("inputs", "given", "words"),
    [
        ({"style": STYLE}, {"stile": 1}, "takes no parameter stile. Did you mean style?"),
        ({}, {"style": 1}, "It takes none"),
        ({"style": NAMED}, {}, r"--param NAME=VALUE\): style \(monet, wave\)"),
        ({"style": NAMED}, {"style": "manet"}, "takes monet, wave; found manet"),
        ({"style": STYLE}, {"style": 26}, "from 0 up to 25; found 26"),
        ({"style": STYLE}, {"style": -1}, "found -1"),
        ({"style": STYLE}, {"style": 1.5}, "a whole number"),
        ({"strength": STRENGTH}, {"strength": 1.01}, "from 0 up to 1; found 1.01"),
        ({"mix": STRENGTH}, {"mix": [0.5, 2]}, r"found \[0.5, 2\]"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_what_can(
    inputs: dict[str, ExtraInput], given: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        read_values(inputs, given)


def test_a_default_that_cannot_be_is_refused_in_the_spec() -> None:
    with pytest.raises(ValidationError, match="from 0 up to 1"):
        ExtraInput(tensor="a", minimum=0, maximum=1, default=2)


@pytest.mark.parametrize(
    "text",
    ["style=9,strength=0.5", ["style=9", "strength=0.5"], "{style: 9, strength: 0.5}", {"style": 9, "strength": 0.5}],
)
def test_command_line_form_template_and_spec_say_the_same(text: Any) -> None:
    assert BatchSettings.model_validate({"parameters": text}).parameters == {"style": 9, "strength": 0.5}


def test_a_text_without_a_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="NAME=VALUE"):
        BatchSettings.model_validate({"parameters": ["9"]})


@pytest.mark.parametrize("value", [float("nan"), "much", [0.5, float("nan")]])
def test_what_is_not_a_number_is_not_within_bounds(value: object) -> None:
    with pytest.raises(UsageError, match="takes values from 0 up to 1"):
        read_values({"strength": STRENGTH}, {"strength": value})


SIZE = {"size": {"height": 16, "width": 16}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"picture": {}}, "picture needs `size`"),
        ({"picture": SIZE, "one_hot": 3}, "a picture has no one_hot"),
        ({"picture": SIZE, "minimum": 0}, "a picture has no minimum"),
        ({"network": {"checkpoint": "a.pb"}}, "network needs `picture`"),
        ({"picture": SIZE, "default": "/styles/monet.jpg"}, "below the input folder"),
    ],
)
def test_a_further_picture_has_a_size_and_nothing_of_a_number(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ExtraInput.model_validate({"tensor": "s", **values})


def test_a_further_picture_is_a_choice_or_a_path() -> None:
    style = ExtraInput.model_validate(
        {"tensor": "s", "picture": SIZE, "choices": {"monet": "/m.jpg"}, "default": "monet"}
    )

    assert read_values({"style": style}, {}) == {"style": "/m.jpg"}
    assert read_values({"style": style}, {"style": ".styles/a.jpg"}) == {"style": ".styles/a.jpg"}
