from __future__ import annotations

import pytest

from tendies_ops.server.graph.signatures import TensorInfo
from tendies_ops.server.graph.tensors import DTYPES
from tendies_ops.server.rest.json_values import decode_base64
from tendies_ops.server.rest.plain_files import read_plain_files
from tendies_ops.server.rest.predict_inputs import predict_inputs

FLOAT = TensorInfo("x:0", DTYPES[1])


def test_the_fast_path_reads_only_plain_files() -> None:
    assert read_plain_files(b' {"instances" : [ {"b64":"aGk="} , {"b64":""}] } rest') == [b"hi", b""]
    for odd in (
        b'{"instances":[{"b64":"aGk="},5]}',
        b'{"instances":[{"b64":"a\\u0047k="}]}',
        b'{"instances":[{"b64":"aGk="}],"inputs":[]}',
        b'{"instances":[{"b64":"aGk=","x":1}]}',
        b'{"instances":[]}',
        b'{"instances":[{"b64":"aGk="}',
        b'{"instances":[{"b64":"aGk=',
        b'{"instances":[{"x":{"b64":"aGk="}}]}',
    ):
        assert read_plain_files(odd) is None, odd


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        (b"aGk=", b"hi"), (b"aGk", b"hi"), (b"aGk.", b"hi"), (b"aG k=\n", b"hi"), (b"", b""), (b"a", None),
        (b"aGk==", None), (b"-_-_", None), (b"aGk=aGk=", None), (b"@@@@", None), (b"====", None),
    ],
)  # fmt: skip
def test_base64_is_decoded_as_absl_does(text: bytes, decoded: bytes | None) -> None:
    assert decode_base64(text) == decoded


def test_a_tensor_may_have_more_dimensions_than_numpy_supports() -> None:
    value: object = 1.5
    for _ in range(100):
        value = [value]
    inputs = predict_inputs({"inputs": value}, {"x": FLOAT}, "")
    assert inputs.tensors["x"].shape == (1,) * 100
