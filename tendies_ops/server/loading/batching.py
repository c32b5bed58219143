"""
Batching: requests that wait at the same time are merged into one run of the graph.

Source: tensorflow/serving batching/batching_session.cc and tensorflow core/kernels/batching_util.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.graph.signatures import Signature
from tendies_ops.server.graph.tensors import Tensor
from tendies_ops.server.loading.batching_config import BatchingParameters
from tendies_ops.server.loading.tensor_rows import merge_rows, rows_of, split_rows
from tendies_ops.server.status_codes import StatusError, invalid_argument


@dataclass(eq=False)
class _Task:
    """One request."""

    inputs: Mapping[str, Tensor]
    rows: int
    deadline_s: float
    outputs: Future[dict[str, Tensor]] = field(default_factory=Future)


@dataclass(eq=False)
class _Batch:
    signature: Signature
    opened_s: float
    tasks: list[_Task] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(task.rows for task in self.tasks)


class BatchingServable:
    """
    A servable whose requests are merged.

    :param slots: limits the number of batches that run at a time, across all models.
    """

    def __init__(self, servable: Servable, parameters: BatchingParameters, slots: threading.Semaphore) -> None:
        self._servable = servable
        self._parameters = parameters
        self._slots = slots
        self.signatures = servable.signatures
        self._queues: dict[str, deque[_Batch]] = defaultdict(deque)
        self._changed = threading.Condition()
        self._closing = False
        self._threads = [
            threading.Thread(target=self._work, name="batch", daemon=True) for _ in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, signature: Signature, inputs: Mapping[str, Tensor], *, timeout_ms: int = 0) -> dict[str, Tensor]:
        """
        Run a request together with others.

        :raises StatusError: a request of the batch failed (the message is the session's), or the queue is full.
        """
        rows, limit = rows_of(inputs), self._parameters.max_batch_size
        if rows > limit:
            raise invalid_argument(f"Task size {rows} is larger than maximum input batch size {limit}")
        deadline_s = time.monotonic() + timeout_ms / 1e3 if timeout_ms > 0 else float("inf")
        task = _Task(inputs, rows, deadline_s)
        with self._changed:
            self._enqueue(signature, task)
            self._changed.notify()
        return task.outputs.result()

    def close(self) -> None:
        """Stop the threads and close the servable; no request is running any more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._servable.close()

    def _enqueue(self, signature: Signature, task: _Task) -> None:
        queue = self._queues[signature.name]
        if not queue or queue[-1].rows + task.rows > self._parameters.max_batch_size:
            if len(queue) >= self._parameters.max_enqueued_batches:
                raise StatusError(
                    "UNAVAILABLE",
                    "The batch scheduling queue to which this task was submitted is full; currently "
                    f"{len(queue)} batches enqueued and max_enqueued_batches is "
                    f"{self._parameters.max_enqueued_batches}",
                )
            queue.append(_Batch(signature, time.monotonic()))
        queue[-1].tasks.append(task)

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            with self._slots:
                try:
                    answers = self._run_batch(batch)
                except Exception as error:  # it is raised in the threads of the requests
                    for task in batch.tasks:
                        task.outputs.set_exception(error)
                    continue
            for task, outputs in zip(batch.tasks, answers, strict=True):
                task.outputs.set_result(outputs)

    def _next_batch(self) -> _Batch | None:
        with self._changed:
            while True:
                wait_s = None
                for queue in self._queues.values():
                    left_s = self._seconds_until_due(queue)
                    if left_s is not None and left_s <= 0:
                        return queue.popleft()
                    wait_s = left_s if wait_s is None else min(wait_s, left_s or wait_s)
                if self._closing:
                    return None
                self._changed.wait(wait_s)

    def _seconds_until_due(self, queue: deque[_Batch]) -> float | None:
        """Return the time until the first batch of a queue is due: full, or old enough. None for an empty queue."""
        if not queue:
            return None
        if len(queue) > 1 or queue[0].rows >= self._parameters.max_batch_size or self._closing:
            return 0.0
        return queue[0].opened_s + self._parameters.batch_timeout_s - time.monotonic()

    def _run_batch(self, batch: _Batch) -> list[dict[str, Tensor]]:
        now_s = time.monotonic()
        latest_s = max(task.deadline_s for task in batch.tasks)
        if latest_s <= now_s:
            raise StatusError("RESOURCE_EXHAUSTED", "Run() timeout exceeded while waiting in batching queue")
        timeout_ms = 0 if latest_s == float("inf") else max(1, int((latest_s - now_s) * 1e3))
        padding = self._parameters.padded_size(batch.rows) - batch.rows
        outputs = self._servable.run(batch.signature, self._merged(batch, padding), timeout_ms=timeout_ms)
        sizes = [task.rows for task in batch.tasks]
        parts = {name: _rows_of_tasks(tensor, sizes, sum(sizes) + padding) for name, tensor in outputs.items()}
        return [{name: rows[index] for name, rows in parts.items()} for index in range(len(sizes))]

    def _merged(self, batch: _Batch, padding: int) -> dict[str, Tensor]:
        merged = {}
        for name, info in batch.signature.inputs.items():
            columns: list[Tensor] = [task.inputs[name] for task in batch.tasks]
            if padding:
                columns += split_rows(columns[-1], [1]) * padding
            merged[name] = merge_rows(info.tensor_name, columns)
        return merged


def _rows_of_tasks(tensor: Tensor, sizes: list[int], rows: int) -> list[Tensor]:
    if not tensor.shape:
        raise StatusError("FAILED_PRECONDITION", "Batched output tensor has 0 dimensions")
    if tensor.shape[0] != rows:
        raise StatusError(
            "FAILED_PRECONDITION",
            "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
            "tensors",
        )
    return split_rows(tensor, sizes)
