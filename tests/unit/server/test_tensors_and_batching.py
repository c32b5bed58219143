from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tendies_ops.server.graph.signatures import Signature, TensorInfo
from tendies_ops.server.graph.tensors import DTYPES, Tensor, dtype_of, number_tensor, string_tensor
from tendies_ops.server.loading.batching import BatchingServable
from tendies_ops.server.loading.batching_config import BatchingParameters
from tendies_ops.server.loading.tensor_rows import merge_rows, split_rows
from tendies_ops.server.loading.tfrecord import read_records
from tendies_ops.server.rest.json_values import decode_base64
from tendies_ops.server.rest.plain_files import read_plain_files
from tendies_ops.server.rest.predict_answer import answer_columns, answer_rows
from tendies_ops.server.rest.predict_inputs import predict_inputs
from tendies_ops.server.status_codes import StatusError
from tests.support.warmup_records import frame_record

FLOAT = TensorInfo("x:0", DTYPES[1])
DOUBLE_IT = Signature("double", {"x": FLOAT}, {"y": FLOAT})


def numbers(*values: float, shape: tuple[int, ...] | None = None) -> Tensor:
    return number_tensor((len(values),) if shape is None else shape, np.array(values, np.float32))


@pytest.mark.parametrize(("number", "name"), [(11, "qint8"), (16, "quint16"), (25, "float8_e4m3fn"), (29, "int4")])
def test_types_that_json_cannot_carry_have_their_names(number: int, name: str) -> None:
    assert dtype_of(number).proto_name == f"DT_{name.upper()}"
    with pytest.raises(StatusError, match=f"Failed to write JSON value for tensor type: {name}"):
        answer_columns({"x": Tensor((), dtype_of(number))})


class Doubles:
    """Doubles its input, and keeps what it was given."""

    signatures: Mapping[str, Signature] = {"double": DOUBLE_IT}

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.may_run = threading.Event()
        self.may_run.set()

    def run(self, signature: Signature, inputs: Mapping[str, Tensor], *, timeout_ms: int = 0) -> dict[str, Tensor]:
        self.may_run.wait()
        tensor = inputs["x"]
        assert tensor.values is not None
        self.shapes.append(tensor.shape)
        if (tensor.values < 0).any():
            raise StatusError("INVALID_ARGUMENT", "negative")
        return {"y": number_tensor(tensor.shape, tensor.values * 2)}

    def close(self) -> None:
        """Nothing."""


def batching(servable: Doubles, **parameters: object) -> BatchingServable:
    settings = BatchingParameters(num_batch_threads=1, **parameters)  # type: ignore[arg-type]  # as each test says
    return BatchingServable(servable, settings, threading.Semaphore(1))


def values_of(outputs: Mapping[str, Tensor]) -> list[float]:
    tensor = outputs["y"]
    assert tensor.values is not None
    return list(tensor.values.tolist())


def test_waiting_requests_are_merged_padded_and_handed_out() -> None:
    servable = Doubles()
    merged = batching(servable, max_batch_size=8, batch_timeout_s=0.2, allowed_batch_sizes=(4, 8))
    with ThreadPoolExecutor(3) as pool:
        answers = list(
            pool.map(lambda rows: merged.run(DOUBLE_IT, {"x": numbers(*rows)}), [(1.0,), (2.0, 3.0), (4.0, 5.0)])
        )
    assert [values_of(answer) for answer in answers] == [[2.0], [4.0, 6.0], [8.0, 10.0]]
    assert servable.shapes == [(8,)]
    merged.close()


def test_one_bad_request_fails_its_batch() -> None:
    merged = batching(Doubles(), batch_timeout_s=0.2)
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(merged.run, DOUBLE_IT, {"x": numbers(value)}) for value in (1.0, -1.0)]
    assert {str(job.exception()) for job in jobs} == {"INVALID_ARGUMENT: negative"}
    merged.close()


def test_a_full_queue_says_so() -> None:
    servable = Doubles()
    servable.may_run.clear()
    merged = batching(servable, max_batch_size=1, max_enqueued_batches=1)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(merged.run, DOUBLE_IT, {"x": numbers(1.0)}) for _ in range(8)]
        list(itertools.islice(as_completed(jobs), 6))  # one is under way, one waits
        servable.may_run.set()
    errors = {str(job.exception()) for job in jobs if job.exception()}
    full = (
        "UNAVAILABLE: The batch scheduling queue to which this task was submitted is full; currently 1 batches "
        "enqueued and max_enqueued_batches is 1"
    )
    assert errors == {full}
    assert any(job.exception() is None for job in jobs)
    merged.close()


def test_requests_larger_than_a_batch_are_refused() -> None:
    refusing = batching(Doubles(), max_batch_size=2)
    with pytest.raises(StatusError, match="Task size 3 is larger than maximum input batch size 2"):
        refusing.run(DOUBLE_IT, {"x": numbers(1, 2, 3)})
    refusing.close()


@pytest.mark.parametrize(
    ("tensor", "message"), [(numbers(1.0, shape=()), "at least one dimension"), (numbers(), "at least one row")]
)
def test_requests_without_rows_are_refused(tensor: Tensor, message: str) -> None:
    merged = batching(Doubles())
    with pytest.raises(StatusError, match=message):
        merged.run(DOUBLE_IT, {"x": tensor})
    merged.close()


def test_rows_of_different_shapes_are_not_merged() -> None:
    with pytest.raises(StatusError, match="'x:0' from different tasks have different shapes"):
        merge_rows("x:0", [numbers(1, 2, shape=(1, 2)), numbers(3, shape=(1, 1))])
    merged = merge_rows("x:0", [numbers(1, 2, shape=(1, 2)), numbers(3, 4, shape=(1, 2))])
    assert [part.shape for part in split_rows(merged, [1, 1])] == [(1, 2), (1, 2)]


def test_the_quick_way_reads_only_what_is_plain() -> None:
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
def test_base64_is_read_as_absl_reads_it(text: bytes, decoded: bytes | None) -> None:
    assert decode_base64(text) == decoded


def test_more_dimensions_than_numpy_has_are_fine() -> None:
    value: object = 1.5
    for _ in range(100):
        value = [value]
    inputs = predict_inputs({"inputs": value}, {"x": FLOAT}, "")
    assert inputs.tensors["x"].shape == (1,) * 100


def test_answers_are_laid_out_as_the_real_server_does() -> None:
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
def test_denormal_numbers_are_written_as_zeros_and_infinities_quietly(dtype: type[np.floating[Any]]) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    values = np.array([tiny, -tiny, np.inf, -np.inf, np.nan], dtype)
    answer = answer_rows({"y": number_tensor((5,), values)})
    assert answer == b'{\n    "predictions": [0.0, -0.0, Infinity, -Infinity, NaN\n    ]\n}'


def test_records_are_framed_and_read(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(frame_record(b"one") + frame_record(b""))
    assert list(read_records(path)) == [b"one", b""]
    path.write_bytes(frame_record(b"one")[:-1])
    with pytest.raises(StatusError, match="truncated record at 0"):
        list(read_records(path))
    path.write_bytes(b"x" * 40)
    with pytest.raises(StatusError, match="corrupted record at 0"):
        list(read_records(path))
