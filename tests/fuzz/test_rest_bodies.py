"""Bodies of the REST API, in both directions."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import pybase64
from hypothesis import given
from hypothesis import strategies as st

from tendies_ops.client.answers import MAX_SERVER_WORDS, error_for_status
from tendies_ops.errors import BadAnswerError, ModelServerError, WrongContractError
from tendies_ops.rest_api.predict import parse_files_answer, parse_rows_answer, predict_body
from tendies_ops.rest_api.status import parse_version_statuses
from tendies_ops.server.graph.signatures import TensorInfo
from tendies_ops.server.graph.tensors import STRING
from tendies_ops.server.http.request_reader import RequestReader
from tendies_ops.server.json.parse_json import parse_json
from tendies_ops.server.json.pretty_json import debug_string, error_body
from tendies_ops.server.rest.predict_inputs import predict_inputs, signature_name_of
from tendies_ops.server.status_codes import StatusError
from tests.fuzz.garbage import json_values, mutated

FILES = st.lists(st.binary(max_size=40), min_size=1, max_size=5)
BLANKS = st.text(" \t\r\n", max_size=4)
INPUTS = {"input_bytes": TensorInfo("x:0", STRING)}


@given(FILES)
def test_what_the_client_sends_is_what_the_server_reads(files: list[bytes]) -> None:
    document = parse_json(predict_body(files))
    tensor = predict_inputs(document, INPUTS, "").tensors["input_bytes"]
    assert tensor.values is not None
    assert list(tensor.values) == files


@given(FILES, st.lists(BLANKS, min_size=9, max_size=9))
def test_files_come_back_in_order_whatever_the_blanks(files: list[bytes], blanks: list[str]) -> None:
    a, b, c, d, e, f, g, h, i = blanks
    rows = f"}}{c},{d}".join(f'{{{e}"b64"{f}:{g}"{pybase64.b64encode(file).decode()}"{h}' for file in files)
    body = f'{{{a}"predictions"{b}:{i}[{rows}}}]{a}}}'.encode()
    assert parse_files_answer(body, len(files)) == files


@given(FILES, st.data())
def test_a_damaged_answer_is_never_taken_for_other_pictures(files: list[bytes], data: st.DataObject) -> None:
    good = json.dumps({"predictions": [{"b64": pybase64.b64encode(file).decode()} for file in files]}, indent=4)
    body = data.draw(mutated(good.encode()) | st.binary(max_size=60))
    try:
        got = parse_files_answer(body, len(files))
    except (BadAnswerError, WrongContractError):
        return
    assert got == parse_rows_answer(body, len(files)), "the quick road and the parser differ"


@given(json_values("predictions", "b64", "error"), st.integers(1, 4))
def test_any_document_is_an_answer_or_none(document: Any, count: int) -> None:
    body = json.dumps(document).encode()
    for parse in (parse_files_answer, parse_rows_answer):
        try:
            assert len(parse(body, count)) == count
        except (BadAnswerError, WrongContractError) as error:
            assert len(str(error)) < 1000


@given(json_values("model_version_status", "version", "state", "status", "error_code", "error_message"))
def test_any_document_is_a_status_or_none(document: Any) -> None:
    body = document if isinstance(document, dict) else {"model_version_status": document}
    with contextlib.suppress(BadAnswerError):
        assert all(isinstance(version, int) for version in parse_version_statuses(body))


@given(st.integers(100, 999), st.binary(max_size=2000) | json_values("error").map(json.dumps).map(str.encode))
def test_any_error_is_reported_in_a_few_words(status: int, body: bytes) -> None:
    error = error_for_status(status, body, "POST x")
    assert isinstance(error, ModelServerError)
    assert len(error.server_words) <= MAX_SERVER_WORDS + 4
    assert "\n" not in str(error)


@given(json_values("instances", "inputs", "b64", "signature_name", "input_bytes"))
def test_any_request_body_is_inputs_or_refused_in_the_servers_words(document: Any) -> None:
    body = json.dumps(document).encode()
    try:
        parsed = parse_json(body)
        signature_name_of(parsed)
        predict_inputs(parsed, INPUTS, "")
    except StatusError as error:
        json.loads(error_body(str(error)))


@given(st.binary(max_size=60) | mutated(b'{"instances": [{"b64": "aGk="}, -1.5e3, "\\ud83d\\ude00", null, [[], {}]]}'))
def test_what_python_reads_is_read_the_same_way(body: bytes) -> None:
    try:
        pythons = _comparable(json.loads(body.decode()))
    except (ValueError, RecursionError):
        return
    with contextlib.suppress(StatusError):  # the server's reader knows more errors
        assert _comparable(parse_json(body)) == pythons


@given(json_values())
def test_whatever_was_read_can_be_shown(document: Any) -> None:
    with contextlib.suppress(StatusError):  # half of a surrogate pair
        debug_string(parse_json(json.dumps(document).encode()))


@given(
    st.binary(max_size=200)
    | mutated(b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 5\r\nHost: a\r\n\r\nhello")
    | mutated(
        b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    ),
    st.integers(1, 50),
)
def test_any_bytes_are_requests_or_a_refusal_however_they_are_cut(sent: bytes, piece: int) -> None:
    whole, cut = RequestReader(), RequestReader()
    at_once = whole.feed(memoryview(sent))
    pieces = []
    for start in range(0, len(sent), piece):
        if not cut.refusal:
            pieces += cut.feed(memoryview(sent)[start : start + piece])
    assert (pieces, cut.refusal) == (at_once, whole.refusal)
    assert whole.refusal == 0 or 400 <= whole.refusal < 600


def _comparable(value: Any) -> Any:
    """NaN equals NaN; doubles to one part in 10^15, as the two readers are allowed to differ."""
    if isinstance(value, float):
        return repr(value) if math.isnan(value) or math.isinf(value) else f"{value:.15g}"
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {name: _comparable(item) for name, item in value.items()}
    return (type(value).__name__, value)
