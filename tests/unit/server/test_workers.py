from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tendies_ops.server.workers import Workers


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers(2, "test")
    yield made
    made.close()


class Job:
    """Notes which thread does it, and lasts until it may end."""

    def __init__(self) -> None:
        self.thread = ""
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> None:
        self.thread = threading.current_thread().name
        self.begun.set()
        assert self.may_end.wait(10)


def begin(workers: Workers) -> Job:
    job = Job()
    workers.submit(job)
    assert job.begun.wait(10)
    return job


def end(workers: Workers, job: Job, *, idle: int) -> None:
    """Let a job end, and wait until so many threads are idle."""
    job.may_end.set()
    deadline_s = time.monotonic() + 10
    while len(workers._idle) != idle:
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_as_many_jobs_as_threads_are_done_at_a_time_and_the_next_waits(workers: Workers) -> None:
    first, second, third = begin(workers), begin(workers), Job()
    workers.submit(third)
    assert {first.thread, second.thread} == {"test_0", "test_1"}
    assert not third.begun.wait(0.05)
    second.may_end.set()
    assert third.begun.wait(10)
    assert third.thread == second.thread
    first.may_end.set()
    third.may_end.set()


def test_the_thread_that_became_idle_last_goes_first(workers: Workers) -> None:
    first, second = begin(workers), begin(workers)
    end(workers, first, idle=1)
    end(workers, second, idle=2)
    third = begin(workers)
    third.may_end.set()
    assert third.thread == second.thread


def test_a_job_that_fails_takes_no_thread_with_it(workers: Workers, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("broken")

    for _ in range(3):
        workers.submit(fail)
    job = begin(workers)
    job.may_end.set()
    assert "A job ended unexpectedly." in caplog.text


def test_closing_waits_for_what_is_under_way() -> None:
    workers = Workers(1, "test")
    job = begin(workers)
    closing = threading.Thread(target=workers.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    job.may_end.set()
    closing.join(10)
    assert not closing.is_alive()
