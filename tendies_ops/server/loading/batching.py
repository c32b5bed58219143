"""
Merges requests that wait at the same time into one run of the graph.

Source: tensorflow/serving batching/batching_session.cc and tensorflow core/kernels/batching_util.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from tendies_ops.server.graph.servable import Servable
from tendies_ops.server.graph.signatures import Signature
from tendies_ops.server.graph.tensors import Tensor
from tendies_ops.server.loading.batching_config import BatchingParameters
from tendies_ops.server.loading.tensor_rows import merge_rows, rows_of, split_rows
from tendies_ops.server.status_codes import StatusError, invalid_argument


@dataclass(eq=False)
class _Task:
    """One request, or a piece of a large one."""

    inputs: Mapping[str, Tensor]
    rows: int
    deadline_s: float
    done: threading.Event = field(default_factory=threading.Event)
    outputs: dict[str, Tensor] = field(default_factory=dict)
    error: StatusError | None = None


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

    :param slots: bounds how many batches run at a time, over all models.
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

        :raises StatusError: the session's text, of whichever request in the batch failed; or the queue is full.
        """
        now_s = time.monotonic()
        deadline_s = now_s + timeout_ms / 1e3 if timeout_ms > 0 else float("inf")
        rows = rows_of(inputs)
        pieces = self._pieces(inputs, rows)
        tasks = [_Task(piece, rows_of(piece), deadline_s) for piece in pieces]
        with self._changed:
            for task in tasks:
                self._enqueue(signature, task)
            self._changed.notify()
        for task in tasks:
            task.done.wait()
            if task.error is not None:
                raise task.error
        outputs = [task.outputs for task in tasks]
        return (
            outputs[0]
            if len(outputs) == 1
            else {name: merge_rows(name, [out[name] for out in outputs]) for name in outputs[0]}
        )

    def close(self) -> None:
        """End the threads and close the servable; nobody runs anything any more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._servable.close()

    def _pieces(self, inputs: Mapping[str, Tensor], rows: int) -> list[Mapping[str, Tensor]]:
        limit = self._parameters.max_batch_size
        if rows <= limit:
            return [inputs]
        if not self._parameters.split_large_requests:
            raise invalid_argument(f"Task size {rows} is larger than maximum input batch size {limit}")
        sizes = [min(limit, rows - start) for start in range(0, rows, limit)]
        columns = {name: split_rows(tensor, sizes) for name, tensor in inputs.items()}
        return [{name: parts[index] for name, parts in columns.items()} for index in range(len(sizes))]

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
                    self._run_batch(batch)
                except StatusError as error:
                    _fail(batch, error)
                except Exception as error:  # the requests that wait must hear of it
                    _fail(batch, StatusError("INTERNAL", f"{type(error).__name__}: {error}"))
            for task in batch.tasks:
                task.done.set()

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
        """When the first batch of a queue is to run: full, or old enough. None without one."""
        if not queue:
            return None
        if len(queue) > 1 or queue[0].rows >= self._parameters.max_batch_size or self._closing:
            return 0.0
        return queue[0].opened_s + self._parameters.batch_timeout_s - time.monotonic()

    def _run_batch(self, batch: _Batch) -> None:
        now_s = time.monotonic()
        latest_s = max(task.deadline_s for task in batch.tasks)
        if latest_s <= now_s:
            raise StatusError("RESOURCE_EXHAUSTED", "Run() timeout exceeded while waiting in batching queue")
        timeout_ms = 0 if latest_s == float("inf") else max(1, int((latest_s - now_s) * 1e3))
        padding = self._parameters.padded_size(batch.rows) - batch.rows
        outputs = self._servable.run(batch.signature, self._merged(batch, padding), timeout_ms=timeout_ms)
        _hand_out(batch, outputs, padding)

    def _merged(self, batch: _Batch, padding: int) -> dict[str, Tensor]:
        merged = {}
        for name, info in batch.signature.inputs.items():
            columns: list[Tensor] = [task.inputs[name] for task in batch.tasks]
            if padding:
                columns += split_rows(columns[-1], [1]) * padding
            merged[name] = merge_rows(info.tensor_name, columns)
        return merged


def _hand_out(batch: _Batch, outputs: Mapping[str, Tensor], padding: int) -> None:
    sizes = [task.rows for task in batch.tasks] + ([padding] if padding else [])
    for name, tensor in outputs.items():
        if not tensor.shape:
            raise StatusError("FAILED_PRECONDITION", "Batched output tensor has 0 dimensions")
        if tensor.shape[0] != sum(sizes):
            raise StatusError(
                "FAILED_PRECONDITION",
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                "input tensors",
            )
        for task, part in zip(batch.tasks, split_rows(tensor, sizes), strict=False):  # the padding has no task
            task.outputs[name] = part


def _fail(batch: _Batch, error: StatusError) -> None:
    for task in batch.tasks:
        task.error = error
