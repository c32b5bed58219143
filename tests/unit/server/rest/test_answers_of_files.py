from __future__ import annotations

import pytest

from tendies_ops.server.graph.tensors import StringTensor
from tendies_ops.server.rest import predict_answer as tensors_to_json
from tendies_ops.server.rest.predict_answer import answer_rows

ONE = b'{\n    "predictions": [{\n            "b64": "YQ=="\n        }\n    ]\n}'
TWO = b'{\n    "predictions": [{\n            "b64": "YQ=="\n        }, {\n            "b64": ""\n        }\n    ]\n}'


@pytest.mark.parametrize(("files", "expected"), [([b"a"], ONE), ([b"a", b""], TWO)])
def test_files_are_laid_out_as_the_real_server_does(files: list[bytes], expected: bytes) -> None:
    assert answer_rows({"output_bytes": StringTensor((len(files),), files)}) == expected


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_the_short_way_says_what_the_long_way_says(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    outputs = {"output_bytes": StringTensor((count,), [b"\x00file %d" % index for index in range(count)])}
    short = answer_rows(outputs)
    monkeypatch.setattr(tensors_to_json, "_only_files", lambda _: None)
    assert short == answer_rows(outputs)


def test_files_below_lists_take_the_long_way() -> None:
    nested = answer_rows({"output_bytes": StringTensor((1, 2), [b"a", b"b"])})
    assert nested.count(b'"b64"') == 2
    assert nested.startswith(b'{\n    "predictions": [[{')
