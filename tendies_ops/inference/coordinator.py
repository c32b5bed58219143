"""
The run's own thread: it decides everything, the workers only do what blocks.

    listing ─► plan ─► chunks ─► (workers: read, prepare) ─► packer ─► requests ─► (workers: ask, write) ─► ledger
                                                              ▲            │
                                                              └── split ───┘ retry, prove, blame

Nothing here is shared between threads but the queue of events, so nothing is locked.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from tendies_ops.errors import (
    ModelServerError,
    RequestRefusedError,
    ServerSickError,
    StoppedError,
    VersionGoneError,
    WrongContractError,
)
from tendies_ops.inference.exchange import BYTES_HELD_PER_PIXEL, Answered, Exchange, Finished, PreparedChunk, Replica
from tendies_ops.inference.isolating import Step, after_failure, after_refusal
from tendies_ops.inference.learned import Learned
from tendies_ops.inference.ledger import Ledger, make_record
from tendies_ops.inference.outcomes import Outcome
from tendies_ops.inference.packing import Packer, Picture, Request
from tendies_ops.inference.planning import Todo
from tendies_ops.inference.tally import Tally
from tendies_ops.inference.workers import Workers

_PREPARERS = 2
_CHUNKS_AHEAD = 4
_TICK_S = 0.1
_GRACE_S = 1.0  # for answers that are on their way when a run is stopped
_HELD_PER_FILE_BYTE = 4  # before a picture is prepared, only its size on disk is known
_GROW_AFTER = 4  # requests answered, after which a larger one is tried again; doubles each time that it was in vain
_LONGEST_GROW_AFTER = 512
_FIRST_MEGAPIXELS = 1.0  # of a request, until the server has shown how fast it is
_NOTHING_LEARNED = Learned()


class Coordinator:
    """One run from its plan to its last outcome."""

    def __init__(
        self,
        exchange: Exchange,
        replicas: Sequence[Replica],
        ledger: Ledger,
        *,
        tally: Tally,
        cancelled: threading.Event,
        learned: Learned = _NOTHING_LEARNED,
    ) -> None:
        options = exchange.options
        self.tally = tally
        self.waiting_for = ""  #: the server's words while every server is left alone
        self._options, self._stamp, self._exchange = options, exchange.stamp, exchange
        self._replicas, self._ledger, self._cancelled = replicas, ledger, cancelled
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._preparers = Workers(_PREPARERS, self._events, "prepare")
        self._senders = Workers(options.max_concurrency * len(replicas), self._events, "send")
        self._packer = Packer.for_options(options)
        # One request must not hold more than half of the memory; neither must the files of one chunk.
        affordable_megapixels = options.max_bytes_in_flight / (2e6 * BYTES_HELD_PER_PIXEL)
        self._max_megapixels = min(options.max_request_megapixels, affordable_megapixels)
        self._max_chunk_bytes = min(options.max_request_bytes, options.max_bytes_in_flight // (4 * _HELD_PER_FILE_BYTE))
        self._packer.max_megapixels = min(_FIRST_MEGAPIXELS, self._max_megapixels)
        self._seconds_per_megapixel = learned.seconds_per_megapixel
        for replica in replicas:  # half of what was best: the server may be busier today
            replica.pacer.limit = min(options.max_concurrency, max(1, learned.concurrency // 2))
        self._ready: deque[Request] = deque()
        self._early: dict[int, PreparedChunk] = {}
        self._chunks_out = self._chunks_in = 0
        self._held_bytes = 0
        self._finishing = 0
        self._successes = 0
        self._answers_since_cut = 0
        self._grow_after = _GROW_AFTER
        self._last_good_s = time.monotonic()

    @property
    def in_flight(self) -> int:
        """Requests that are with a server."""
        return sum(replica.pacer.in_flight for replica in self._replicas)

    @property
    def concurrency(self) -> int:
        """Requests that the servers are given at once."""
        return sum(replica.pacer.limit for replica in self._replicas)

    def run(self, todos: Iterator[Todo | None]) -> Iterator[None]:
        """
        Do everything; yields often, for progress.

        :param todos: what to do, in order; None now and then while there is nothing, to let this loop breathe.
        """
        try:
            yield from self._loop(self._chunks(todos))
        except BaseException:
            self._take_what_is_on_its_way()
            raise
        finally:
            self._preparers.stop()
            self._senders.stop()

    def learned(self, images_per_second: float) -> Learned:
        """For the next run."""
        best = max(replica.pacer.limit for replica in self._replicas)
        return Learned(best, self._seconds_per_megapixel, images_per_second)

    def settle(self, outcome: Outcome, attempt: int) -> None:
        """Write down an outcome that needed no server."""
        self._ledger.append([make_record(outcome, self._stamp, attempt)])
        self.tally.count(outcome)

    def _loop(self, chunks: Iterator[list[Todo] | None]) -> Iterator[None]:
        more = True
        while more or self._busy():
            if self._cancelled.is_set():
                raise StoppedError("The batch run was asked to stop. What is done is kept; run it again to go on.")
            if more and self._has_room():
                chunk = next(chunks, [])
                more = chunk != []
                self._start(chunk)
            elif not more and self._chunks_in == self._chunks_out:
                self._ready.extend(self._packer.flush())
            self._dispatch()
            self._handle_events(wait=not (more and self._has_room()))
            yield

    def _chunks(self, todos: Iterator[Todo | None]) -> Iterator[list[Todo] | None]:
        chunk: list[Todo] = []
        size_bytes = 0
        for todo in todos:
            if todo is None:
                yield None
                continue
            chunk.append(todo)
            size_bytes += todo.found.size_bytes
            if len(chunk) >= self._options.max_batch_size or size_bytes > self._max_chunk_bytes:
                yield chunk
                chunk, size_bytes = [], 0
        if chunk:
            yield chunk

    def _start(self, chunk: list[Todo] | None) -> None:
        if not chunk:
            return
        reserved = _HELD_PER_FILE_BYTE * sum(todo.found.size_bytes for todo in chunk)
        self._held_bytes += reserved
        task = functools.partial(self._exchange.prepare_chunk, self._chunks_out, chunk, reserved)
        self._chunks_out += 1
        self._preparers.submit(task)

    def _has_room(self) -> bool:
        if self._chunks_out - self._chunks_in >= _CHUNKS_AHEAD or len(self._ready) > 2 * self.concurrency + 2:
            return False
        return self._held_bytes < self._options.max_bytes_in_flight

    def _busy(self) -> bool:
        waiting = self._ready or self._early or self._packer.has_parts
        return bool(waiting or self._chunks_in < self._chunks_out or self.in_flight or self._finishing)

    def _dispatch(self) -> None:
        now_s = time.monotonic()
        while self._ready:
            open_ones = [replica for replica in self._replicas if replica.pacer.may_send(now_s)]
            if not open_ones:
                return
            request = self._ready.popleft()
            request.parts = [part for part in request.parts if not part.picture.over]
            if not request.parts:
                continue
            if len(request.parts) > self._packer.max_count:  # packed before the server showed that it takes fewer
                self._ready.extendleft(reversed(request.cut(self._packer.max_count)))
                continue
            replica = min(open_ones, key=lambda replica: replica.pacer.in_flight)
            replica.pacer.in_flight += 1
            self.tally.requests += 1
            self.tally.peak_concurrency = max(self.tally.peak_concurrency, self.in_flight)
            self._senders.submit(functools.partial(self._exchange.ask, replica, request))

    def _handle_events(self, *, wait: bool) -> None:
        try:
            event = self._events.get(wait, _TICK_S if wait else None)
            while True:
                self._handle(event)
                event = self._events.get_nowait()
        except queue.Empty:
            return

    def _handle(self, event: Any) -> None:
        if isinstance(event, PreparedChunk):
            self._early[event.number] = event
            while (chunk := self._early.pop(self._chunks_in, None)) is not None:
                self._chunks_in += 1
                self._take_prepared(chunk)
        elif isinstance(event, Answered):
            event.replica.pacer.in_flight -= 1
            if event.error is None:
                self._take_answers(event)
            else:
                self._take_error(event, event.error)
        elif isinstance(event, Finished):
            self._finishing -= 1
            self._conclude([(event.outcome, event.picture)])
        else:
            raise event

    def _take_prepared(self, chunk: PreparedChunk) -> None:
        self._held_bytes -= chunk.reserved_bytes
        self.tally.ignored += chunk.ignored
        for outcome, attempt in chunk.settled:
            self.settle(outcome, attempt)
        for picture, parts in chunk.ready:
            self._held_bytes += picture.held_bytes
            self._ready.extend(self._packer.add(parts))

    def _take_answers(self, event: Answered) -> None:
        now_s = time.monotonic()
        request = event.request
        event.replica.pacer.on_answer(len(request.parts), now_s)
        self._successes += 1
        self.tally.answered += 1
        self.tally.answered_ms += event.milliseconds
        self._last_good_s = now_s
        self.waiting_for = ""
        self._learn(request, event.milliseconds)
        for part, answer in zip(request.parts, event.answers, strict=True):
            picture = part.picture
            if len(picture.answers) > 1 and not picture.over:
                picture.answers[part.index] = answer
                picture.milliseconds += event.milliseconds / len(request.parts)
                if picture.complete:
                    self._finishing += 1
                    self._senders.submit(functools.partial(self._exchange.finish, picture))
        self._conclude(event.outcomes)

    def _learn(self, request: Request, milliseconds: float) -> None:
        """What a request may hold: from what it took, and from whether its halves went where the whole did not."""
        options, packer = self._options, self._packer
        if request.megapixels > 0:
            cost = milliseconds / 1e3 / request.megapixels
            known = self._seconds_per_megapixel
            self._seconds_per_megapixel = max(cost, 0.9 * known + 0.1 * cost) if known else cost
            affordable = 0.5 * options.server_timeout_s / self._seconds_per_megapixel
            packer.max_megapixels = min(self._max_megapixels, affordable)
        self._answers_since_cut += 1
        if request.halves is not None:
            request.halves.answered += 1
            if request.halves.answered == 2:
                packer.max_count = max(1, min(packer.max_count, request.halves.size // 2))
                self._answers_since_cut = 0
                self._grow_after = min(_LONGEST_GROW_AFTER, 2 * self._grow_after)
        elif self._answers_since_cut >= self._grow_after:
            packer.max_count = min(options.max_batch_size, packer.max_count * 2)
            self._answers_since_cut = 0

    def _take_error(self, event: Answered, error: ModelServerError) -> None:
        if isinstance(error, VersionGoneError | WrongContractError):
            raise error
        request = event.request
        if event.proved:
            self._successes += 1
            self._last_good_s = time.monotonic()
        if isinstance(error, RequestRefusedError):
            if event.proof_failed:
                raise WrongContractError(
                    f"The model refuses even a plain picture, so no picture is to blame: {error}",
                    http_status=error.http_status,
                    server_words=error.server_words,
                )
            step = after_refusal(request, error, answered_before=self._successes > 0)
        else:
            self._pause(event, error)
            step = Step("prove") if event.proof_failed else after_failure(request, error, self._successes)
        self._follow(step, request, error)

    def _pause(self, event: Answered, error: ModelServerError) -> None:
        now_s = time.monotonic()
        event.replica.pacer.on_trouble(now_s)
        self.waiting_for = str(error)
        silent_s = now_s - self._last_good_s
        if silent_s > self._options.sick_deadline_s:
            raise ServerSickError(
                f"No server has answered for {silent_s:.0f} s; the last said: {error}. No picture is to blame. "
                "What is done is kept; run it again when the server is well."
            ) from error

    def _follow(self, step: Step, request: Request, error: ModelServerError) -> None:
        self.tally.retries += step.action in {"retry", "prove", "split"}
        if step.action == "stop":
            raise error
        if step.action == "split":
            self._ready.extendleft(reversed(request.split()))
        elif step.action == "blame":
            self._blame(request.parts[0].picture, step)
        else:
            request.needs_proof = step.action == "prove"
            self._ready.appendleft(request)

    def _blame(self, picture: Picture, step: Step) -> None:
        outcome = Outcome(picture.found, "failed", step.kind, step.reason, picture.input_digest)
        self._conclude([(outcome, picture)])

    def _conclude(self, outcomes: Sequence[tuple[Outcome, Picture]]) -> None:
        self._ledger.append(make_record(outcome, self._stamp, picture.attempt) for outcome, picture in outcomes)
        for outcome, picture in outcomes:
            picture.over = True
            self._held_bytes -= picture.held_bytes
            self.tally.count(outcome)

    def _take_what_is_on_its_way(self) -> None:
        """A stopped run still writes down what the servers answer within a moment, so that it is not asked again."""
        until_s = time.monotonic() + _GRACE_S
        while (self.in_flight or self._finishing) and (left_s := until_s - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left_s)
            except queue.Empty:
                return
            if isinstance(event, Answered):
                event.replica.pacer.in_flight -= 1
                self._conclude(event.outcomes)
            elif isinstance(event, Finished):
                self._finishing -= 1
                self._conclude([(event.outcome, event.picture)])
