from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import pytest

from tendies_ops.server.graph.signatures import Signature, TensorInfo
from tendies_ops.server.graph.tensors import DTYPES, Tensor, number_tensor
from tendies_ops.server.loading.batching import BatchingServable
from tendies_ops.server.loading.batching_config import BatchingParameters
from tendies_ops.server.loading.tensor_rows import merge_rows, split_rows
from tendies_ops.server.status_codes import StatusError

FLOAT = TensorInfo("x:0", DTYPES[1])
DOUBLE_IT = Signature("double", {"x": FLOAT}, {"y": FLOAT})


def numbers(*values: float, shape: tuple[int, ...] | None = None) -> Tensor:
    return number_tensor((len(values),) if shape is None else shape, np.array(values, np.float32))


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


def test_waiting_requests_are_merged_padded_and_answered_separately() -> None:
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


def test_a_full_queue_of_batches_is_reported() -> None:
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
