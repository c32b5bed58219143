"""Files on their way in: read and prepared chunk by chunk in threads, handed over in the order of the listing."""

from __future__ import annotations

import functools
import queue
from collections.abc import Iterator
from typing import Any

from tendies_ops.inference.plan import Todo
from tendies_ops.inference.requests.exchange import Exchange, PreparedChunk
from tendies_ops.inference.requests.threads import Workers

_PREPARERS = 2
_CHUNKS_AHEAD = 4
_HELD_PER_FILE_BYTE = 4  # before a picture is prepared, only its size on disk is known


class Intake:
    """
    Starts chunks while memory lasts. Used by the run's own thread only.

    :param events: where prepared chunks, or errors, are put.
    """

    def __init__(self, exchange: Exchange, events: queue.SimpleQueue[Any]) -> None:
        self.held_bytes = 0  #: what was read and is not yet written takes, by estimate
        self.exhausted = False  #: the whole listing has been taken in
        self._exchange, self._options = exchange, exchange.options
        self._chunks: Iterator[list[Todo] | None] = iter(())
        self._workers = Workers(_PREPARERS, events, "prepare")
        self._early: dict[int, PreparedChunk] = {}
        self._started = self._handed_over = 0

    def take_from(self, todos: Iterator[Todo | None]) -> None:
        """
        Say where the files come from.

        :param todos: what to do, in order; None now and then while there is nothing, to let the run breathe.
        """
        options = self._options
        # The files of one chunk must not take more than a quarter of the memory.
        max_bytes = min(options.max_request_bytes, options.max_bytes_in_flight // (4 * _HELD_PER_FILE_BYTE))
        self._chunks = _cut_chunks(todos, options.max_batch_size, max_bytes)

    @property
    def under_way(self) -> bool:
        """Return whether chunks are being prepared."""
        return self._handed_over < self._started

    @property
    def has_room(self) -> bool:
        """Return whether another chunk may be started."""
        if self.exhausted or self._started - self._handed_over >= _CHUNKS_AHEAD:
            return False
        return self.held_bytes < self._options.max_bytes_in_flight

    def start_next(self) -> None:
        """Start a chunk, if the listing has one already."""
        chunk = next(self._chunks, [])
        self.exhausted = chunk == []
        if not chunk:
            return
        reserved_bytes = _HELD_PER_FILE_BYTE * sum(todo.found.size_bytes for todo in chunk)
        self.held_bytes += reserved_bytes
        self._exchange.read_ahead(chunk)
        self._workers.submit(functools.partial(self._exchange.prepare_chunk, self._started, chunk, reserved_bytes))
        self._started += 1

    def in_order(self, chunk: PreparedChunk) -> Iterator[PreparedChunk]:
        """Take a prepared chunk; give all whose turn it is."""
        self._early[chunk.number] = chunk
        while (turn := self._early.pop(self._handed_over, None)) is not None:
            self._handed_over += 1
            self.held_bytes -= turn.reserved_bytes
            self.held_bytes += sum(picture.held_bytes for picture, _ in turn.ready)
            yield turn

    def stop(self) -> None:
        """Let the threads end after what they are at."""
        self._workers.stop()


def _cut_chunks(todos: Iterator[Todo | None], max_count: int, max_bytes: int) -> Iterator[list[Todo] | None]:
    chunk: list[Todo] = []
    size_bytes = 0
    for todo in todos:
        if todo is None:
            yield None
            continue
        chunk.append(todo)
        size_bytes += todo.found.size_bytes
        if len(chunk) >= max_count or size_bytes > max_bytes:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk
