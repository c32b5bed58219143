"""Requests in column format, for inputs that all pictures share, and the answers to them."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from tendies_ops.errors import BadAnswerError
from tendies_ops.rest_api.predict import SharedInputs, parse_files_answer, parse_rows_answer, predict_body


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


def test_what_all_share_is_sent_once() -> None:
    body = predict_body([b"a", b"b"], inputs=SharedInputs([{"strength": 1}, {"strength": 0}], {"style": b64(b"s")}))

    assert orjson.loads(body) == {
        "inputs": {"input_bytes": [b64(b"a"), b64(b"b")], "strength": [1, 0], "style": [b64(b"s")]}
    }


def test_one_output_is_a_list_and_several_are_columns() -> None:
    assert parse_files_answer(orjson.dumps({"outputs": [b64(b"x"), b64(b"y")]}), 2) == [b"x", b"y"]
    columns = {"outputs": {"picture_bytes": [b64(b"x"), b64(b"y")], "score": [0.5, 1]}}
    assert parse_rows_answer(orjson.dumps(columns), 2) == [
        {"picture_bytes": b"x", "score": 0.5},
        {"picture_bytes": b"y", "score": 1},
    ]


@pytest.mark.parametrize("outputs", [[1], 7, {"a": [1, 2], "b": [1]}, {"a": 1}, {"a": {"b": [1, 2]}}])
def test_an_answer_of_another_length_is_refused(outputs: Any) -> None:
    with pytest.raises(BadAnswerError):
        parse_rows_answer(orjson.dumps({"outputs": outputs}), 2)
