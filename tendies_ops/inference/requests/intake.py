"""Read and prepare files chunk by chunk in threads, and hand them over in the order of the listing."""

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
    Start chunks while there is memory for them. Used by the run's own thread only.

    :param events: gets prepared chunks, or errors.
    """

    def __init__(self, exchange: Exchange, events: queue.SimpleQueue[Any]) -> None:
        self.held_bytes = 0  #: estimated memory of files that are read and not yet written
        self.exhausted = False  #: the whole listing was started
        self._exchange, self._options = exchange, exchange.options
        self._chunks: Iterator[list[Todo] | None] = iter(())
        self._workers = Workers(_PREPARERS, events, "prepare")
        self._early: dict[int, PreparedChunk] = {}
        self._started = self._handed_over = 0

    def take_from(self, todos: Iterator[Todo | None]) -> None:
        """
        Set the source of the files.

        :param todos: the files, in order; None while the next one is not listed yet.
        """
        options = self._options
        # The files of one chunk must not take more than a quarter of the memory.
        max_bytes = min(options.max_request_bytes, options.max_bytes_in_flight // (4 * _HELD_PER_FILE_BYTE))
        self._chunks = _cut_chunks(todos, options.max_batch_size, max_bytes)

    @property
    def under_way(self) -> bool:
        """Return True if chunks are being prepared."""
        return self._handed_over < self._started

    @property
    def has_room(self) -> bool:
        """Return True if another chunk may be started."""
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
        """Add a prepared chunk; yield all that are next in order."""
        self._early[chunk.number] = chunk
        while (turn := self._early.pop(self._handed_over, None)) is not None:
            self._handed_over += 1
            self.held_bytes -= turn.reserved_bytes
            self.held_bytes += sum(picture.held_bytes for picture, _ in turn.ready)
            yield turn

    def stop(self) -> None:
        """Let the threads end after their current work."""
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
