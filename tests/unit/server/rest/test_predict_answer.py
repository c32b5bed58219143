from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tendies_ops.server.graph.tensors import Tensor, dtype_of, number_tensor, string_tensor
from tendies_ops.server.rest.predict_answer import answer_columns, answer_rows
from tendies_ops.server.status_codes import StatusError


def numbers(*values: float, shape: tuple[int, ...] | None = None) -> Tensor:
    return number_tensor((len(values),) if shape is None else shape, np.array(values, np.float32))


@pytest.mark.parametrize(("number", "name"), [(11, "qint8"), (16, "quint16"), (25, "float8_e4m3fn"), (29, "int4")])
def test_a_type_that_json_cannot_hold_is_refused_by_name(number: int, name: str) -> None:
    assert dtype_of(number).proto_name == f"DT_{name.upper()}"
    with pytest.raises(StatusError, match=f"Failed to write JSON value for tensor type: {name}"):
        answer_columns({"x": Tensor((), dtype_of(number))})


def test_answers_are_laid_out_as_by_the_real_server() -> None:
    whole = numbers(1, 2.5, float("nan"), 1e10, shape=(2, 2))
    assert answer_rows({"y": whole}) == b'{\n    "predictions": [[1.0, 2.5], [NaN, 1e+10]\n    ]\n}'
    assert answer_columns({"y": numbers(1.0)}) == b'{\n    "outputs": [\n        1.0\n    ]\n}'
    files = string_tensor((1,), [b"\xff\x00"])
    assert answer_rows({"y_bytes": files}) == (
        b'{\n    "predictions": [{\n            "b64": "/wA="\n        }\n    ]\n}'
    )
    assert answer_rows({"y": files}) == b'{\n    "predictions": ["\xff\\u0000"\n    ]\n}'
    with pytest.raises(StatusError, match="inconsistent batch size: 1 expecting: 2"):
        answer_rows({"a": numbers(1, 2), "b": numbers(1)})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_denormal_numbers_are_written_as_zeros_without_warnings(dtype: type[np.floating[Any]]) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    values = np.array([tiny, -tiny, np.inf, -np.inf, np.nan], dtype)
    answer = answer_rows({"y": number_tensor((5,), values)})
    assert answer == b'{\n    "predictions": [0.0, -0.0, Infinity, -Infinity, NaN\n    ]\n}'


ONE = b'{\n    "predictions": [{\n            "b64": "YQ=="\n        }\n    ]\n}'
TWO = b'{\n    "predictions": [{\n            "b64": "YQ=="\n        }, {\n            "b64": ""\n        }\n    ]\n}'


@pytest.mark.parametrize(("files", "expected"), [([b"a"], ONE), ([b"a", b""], TWO)])
def test_files_in_an_answer_are_laid_out_as_by_the_real_server(files: list[bytes], expected: bytes) -> None:
    assert answer_rows({"output_bytes": string_tensor((len(files),), files)}) == expected


def test_files_in_nested_lists_are_laid_out_in_nested_arrays() -> None:
    nested = answer_rows({"output_bytes": string_tensor((1, 2), [b"a", b"b"])})
    assert nested.count(b'"b64"') == 2
    assert nested.startswith(b'{\n    "predictions": [[{')
