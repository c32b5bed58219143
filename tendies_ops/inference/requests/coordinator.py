"""
The run's own thread: it decides everything; the workers only do blocking work.

    listing ─► plan ─► chunks ─► (workers: read, prepare) ─► packer ─► requests ─► (workers: ask) ─┐
                                                              ▲                                    │
                        ledger ◄─ (workers: write) ◄──────────┼─────────────── answers ◄───────────┤
                                                              └── split ◄─ retry, prove, blame ◄───┘

Threads share only the queue of events, so nothing is locked.
"""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from tendies_ops.errors import (
    ModelServerError,
    StoppedError,
    WrongContractError,
)
from tendies_ops.inference.ledger.ledger import Ledger, make_record
from tendies_ops.inference.ledger.outcomes import Outcome
from tendies_ops.inference.picture.picture import Part, Picture
from tendies_ops.inference.plan import Todo
from tendies_ops.inference.report.learned import Learned
from tendies_ops.inference.report.tally import Tally
from tendies_ops.inference.requests.doubts import Doubts
from tendies_ops.inference.requests.exchange import Answered, Exchange, Finished, PreparedChunk
from tendies_ops.inference.requests.failures import Step
from tendies_ops.inference.requests.intake import Intake
from tendies_ops.inference.requests.judge import Judge
from tendies_ops.inference.requests.limits import RequestLimits
from tendies_ops.inference.requests.packer import Packer, Request
from tendies_ops.inference.requests.replica import Replica
from tendies_ops.inference.requests.rotation import Looked, Rotation
from tendies_ops.inference.requests.threads import Workers
from tendies_ops.inference.requests.throttle import Throttle

_TICK_S = 0.1
_GRACE_S = 1.0  # for answers that are in transit when a run is stopped
_NOTHING_LEARNED = Learned()


class Coordinator:
    """
    One run from its plan to its last outcome.

    :param cancelled: set it to stop.
    :param learned: from an earlier run of the same version.
    """

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
        self._options, self._stamp, self._exchange = options, exchange.stamp, exchange
        self._ledger, self._cancelled = ledger, cancelled
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._intake = Intake(exchange, self._events)
        self._most_under_way = options.max_concurrency * len(replicas)
        self._senders = Workers(self._most_under_way + len(replicas), self._events, "send")
        self._rotation = Rotation(
            replicas,
            options.model_name,
            exchange.stamp.version,
            submit=self._senders.submit,
            sick_deadline_s=options.sick_deadline_s,
        )
        self._throttle = Throttle(options.own_rate, options.hours)
        self._packer = Packer.for_options(options)
        self._limits = RequestLimits(self._packer, options, learned, same_size=exchange.answers.same_size)
        self._rotation.start_with(learned.concurrency // 2)
        self._ready: deque[Request] = deque()
        self._finishing = 0  # requests that are answered and not yet written
        self._doubts = Doubts()
        self._judge = Judge(self._rotation, exchange.control, self._doubts.padding)

    @property
    def in_flight(self) -> int:
        """The number of requests in flight."""
        return self._rotation.in_flight

    @property
    def concurrency(self) -> int:
        """The number of requests that the servers get at once."""
        return self._rotation.concurrency

    @property
    def waiting_for(self) -> str:
        """Why the run waits: the last error, while no server has answered since; or its hours."""
        return self._rotation.waiting_for or self._throttle.waiting_for

    def run(self, todos: Iterator[Todo | None]) -> Iterator[None]:
        """
        Run everything; yield often, for progress.

        :param todos: the files, in order; None while the next one is not listed yet.
        """
        self._intake.take_from(todos)
        try:
            yield from self._loop()
        except BaseException:
            self._take_what_is_on_its_way()
            raise
        finally:
            self._intake.stop()
            self._senders.stop()

    def learned(self, images_per_second: float) -> Learned:
        """Return the facts for the next run."""
        seconds = self._limits.seconds_per_megapixel
        return Learned(self._rotation.best_limit, seconds, images_per_second, self._packer.by_size)

    def _loop(self) -> Iterator[None]:
        while not self._intake.exhausted or self._busy():
            if self._cancelled.is_set():
                raise StoppedError("The batch run was asked to stop. Finished results are kept; rerun it to continue.")
            if self._has_room():
                self._intake.start_next()
            elif not self._intake.under_way and not self._ready:
                self._send_what_is_begun()
            self._dispatch()
            self._handle_events(wait=self._busy() and not self._has_room())
            yield

    def _has_room(self) -> bool:
        return self._intake.has_room and len(self._ready) <= 2 * self.concurrency + 2

    def _send_what_is_begun(self) -> None:
        """Send partly filled requests at the end of the listing, or if they hold all the memory."""
        if self._intake.exhausted:
            self._ready.extend(self._packer.flush(pieces=self._rotation.free_places))
        elif not (self.in_flight or self._finishing):
            self._ready.extend(self._packer.flush())

    def _busy(self) -> bool:
        waiting = self._ready or self._doubts or self._packer.has_parts
        return bool(waiting or self._intake.under_way or self.in_flight or self._finishing)

    def _dispatch(self) -> None:
        now_s = time.monotonic()
        self._rotation.look_around(now_s)
        idle = not (self._ready or self._intake.under_way or self._has_room())
        self._doubts.begin(idle=idle, in_flight=self.in_flight)
        while self.in_flight + self._finishing < self._most_under_way and self._may_send:
            replica = self._rotation.choose(now_s)
            request = self._next_request(now_s) if replica is not None else None
            if replica is None or request is None:
                return
            request.parts = [part for part in request.parts if not part.picture.over]
            if not request.parts:
                continue
            if not self._packer.fits(request):
                self._ready.extendleft(reversed(self._packer.repack(request)))
                continue
            replica.sent(now_s)
            self._throttle.on_sent(len(request.parts), now_s)
            self.tally.requests += 1
            self.tally.peak_concurrency = max(self.tally.peak_concurrency, self.in_flight)
            self._senders.submit(functools.partial(self._exchange.ask, replica, request, self._judge.control))

    @property
    def _may_send(self) -> bool:
        allowed = self._throttle.may_send(time.monotonic(), datetime.now(timezone.utc))
        return allowed and (not self._doubts.quiet or self.in_flight == 0)

    def _next_request(self, now_s: float) -> Request | None:
        if self._doubts.quiet:
            return self._doubts.next(now_s)
        return self._ready.popleft() if self._ready else None

    def _handle_events(self, *, wait: bool) -> None:
        quiet_s = self._doubts.seconds_left(time.monotonic()) if self._doubts.quiet else 0.0
        try:
            event = self._events.get(wait, min(_TICK_S, quiet_s or _TICK_S) if wait else None)
            while True:
                self._handle(event)
                event = self._events.get_nowait()
        except queue.Empty:
            return

    def _handle(self, event: Any) -> None:
        if isinstance(event, PreparedChunk):
            for chunk in self._intake.in_order(event):
                self._take_prepared(chunk)
        elif isinstance(event, Answered):
            if event.error is None:
                self._take_answers(event)
            else:
                self._take_error(event, event.error)
        elif isinstance(event, Finished):
            self._finishing -= 1
            self._conclude(event.outcomes)
        elif isinstance(event, Looked):
            self._rotation.on_look(event, time.monotonic())
        else:
            raise event

    def _take_prepared(self, chunk: PreparedChunk) -> None:
        self.tally.ignored += chunk.ignored
        self._ledger.append(make_record(outcome, self._stamp, attempt) for outcome, attempt in chunk.settled)
        for outcome, _ in chunk.settled:
            self.tally.count(outcome)
        for _, parts in chunk.ready:
            self._ready.extend(self._packer.add(parts))

    def _take_answers(self, event: Answered) -> None:
        request = event.request
        self._rotation.on_answer(event.replica, len(request.parts), time.monotonic())
        if not self._judge.hear_answer(event):
            self._ask_again(Step("confirm"), request)
            return
        self.tally.answered += 1
        self.tally.answered_ms += event.milliseconds
        self._limits.on_answer(request, event.milliseconds, merges=self._judge.merges)
        self._finish(event)

    def _finish(self, event: Answered) -> None:
        """Write the pictures that are complete now."""
        complete = event.request.hand_over(event.answers, event.milliseconds)
        if complete:
            self._finishing += 1
            self._senders.submit(functools.partial(self._exchange.finish, complete))

    def _take_error(self, event: Answered, error: ModelServerError) -> None:
        if isinstance(error, WrongContractError):
            raise error
        step, request = self._judge.hear_error(event, error), event.request
        if step.action == "stop":
            raise error
        if step.action == "blame":
            self._blame(request.parts[0], step)
            return
        self.tally.retries += 1
        if step.action in {"split", "split_by_size"}:
            pieces = request.split() if step.action == "split" else request.split_by_size()
            self._ready.extendleft(reversed(pieces))
        else:
            self._ask_again(step, request)

    def _ask_again(self, step: Step, request: Request) -> None:
        if request.history.alone:
            self._doubts.add(request, now_s=time.monotonic(), pause_s=step.pause_s)
        elif step.action == "prove" and not self._judge.successes:
            self._ready.append(request)  # the model may accept one of the others
        else:
            self._ready.appendleft(request)

    def _blame(self, part: Part, step: Step) -> None:
        picture = part.picture
        if picture.over:  # another of its parts was refused as well
            return
        if step.kind == "refused":
            picture.over = True
            self._finishing += 1
            self._senders.submit(functools.partial(self._exchange.explain_refusal, part, step.kind, step.reason))
            return
        self._conclude([(picture.failed(step.kind, step.reason), picture)])

    def _conclude(self, outcomes: Sequence[tuple[Outcome, Picture]]) -> None:
        self._ledger.append(make_record(outcome, self._stamp, picture.attempt) for outcome, picture in outcomes)
        for outcome, picture in outcomes:
            picture.over = True
            self._intake.held_bytes -= picture.held_bytes
            self.tally.count(outcome)

    def _take_what_is_on_its_way(self) -> None:
        """Record the answers that arrive shortly after a stop, so that they are not requested again."""
        until_s = time.monotonic() + _GRACE_S
        while (self.in_flight or self._finishing) and (left_s := until_s - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left_s)
            except queue.Empty:
                return
            if isinstance(event, Answered):
                event.replica.returned(time.monotonic())
                if event.error is None:
                    self._finish(event)
            elif isinstance(event, Finished):
                self._finishing -= 1
                self._conclude(event.outcomes)
