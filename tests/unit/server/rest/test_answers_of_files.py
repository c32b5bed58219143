from __future__ import annotations

import pytest

from tendies_ops.server.graph.tensors import string_tensor
from tendies_ops.server.rest.predict_answer import answer_rows

ONE = b'{\n    "predictions": [{\n            "b64": "YQ=="\n        }\n    ]\n}'
TWO = b'{\n    "predictions": [{\n            "b64": "YQ=="\n        }, {\n            "b64": ""\n        }\n    ]\n}'


@pytest.mark.parametrize(("files", "expected"), [([b"a"], ONE), ([b"a", b""], TWO)])
def test_files_are_laid_out_as_the_real_server_does(files: list[bytes], expected: bytes) -> None:
    assert answer_rows({"output_bytes": string_tensor((len(files),), files)}) == expected


def test_files_may_lie_in_lists() -> None:
    nested = answer_rows({"output_bytes": string_tensor((1, 2), [b"a", b"b"])})
    assert nested.count(b'"b64"') == 2
    assert nested.startswith(b'{\n    "predictions": [[{')
