"""Several servers: who gets requests, who is left out, and one version throughout. Servers are real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from tendies_ops.errors import ServerSickError, ServerUnreachableError, VersionGoneError
from tendies_ops.inference import BatchReport
from tests.support.batch_bench import Bench
from tests.support.canned_server import Answer, CannedModel, CannedServer, Request, error_answer
from tests.support.ports import free_port
from tests.support.sample_pictures import inverted, png

PICTURES = 40


@pytest.fixture
def fleet(bench: Bench) -> Iterator[Callable[..., tuple[str, ...]]]:
    """Starts more servers next to the bench's own, and fills the input."""
    for seed in range(PICTURES):
        bench.add(f"{seed:02}.png", png(seed))
    with ExitStack() as stack:

        def start(*models: CannedModel) -> tuple[str, ...]:
            servers = [stack.enter_context(CannedServer(model)) for model in models]
            return tuple(server.url for server in servers)

        yield start


def model(version: int = 1, fault: Callable[[Request], Answer | None] = lambda _: None) -> CannedModel:
    return CannedModel(inverted, version=version, fault=fault)


def replica_of(report: BatchReport, url: str) -> dict[str, Any]:
    return next(one for one in report.replicas if one["server"] == url)


def test_every_server_gets_its_share(bench: Bench, fleet: Callable[..., tuple[str, ...]]) -> None:
    def slow(_: Request) -> None:
        time.sleep(0.01)

    models = [model(fault=slow) for _ in range(3)]
    report = bench.run(servers=fleet(*models), max_batch_size=1, max_concurrency=1)
    assert report.done == PICTURES
    assert min(len(one.predicted) for one in models) >= PICTURES // 5
    assert sum(replica["answered"] for replica in report.replicas) == PICTURES


def test_a_server_that_is_not_there_at_the_start_holds_up_no_one(
    bench: Bench, fleet: Callable[..., tuple[str, ...]]
) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    report = bench.run(servers=(dead, *fleet(model())))
    assert report.done == PICTURES
    assert (replica_of(report, dead)["answered"], replica_of(report, dead)["taken_out"]) == (0, 1)
    assert "nothing listens" in str(replica_of(report, dead)["trouble"])


@contextmanager
def hung_server() -> Iterator[str]:
    """Takes connections and never answers, as a stopped process does."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("place", [0, 1])
def test_a_server_that_hangs_costs_a_moment_and_is_named_at_once(
    bench: Bench, fleet: Callable[..., tuple[str, ...]], caplog: pytest.LogCaptureFixture, place: int
) -> None:
    healthy = model()
    started_s = time.monotonic()
    with hung_server() as hung:
        servers = list(fleet(healthy))
        servers.insert(place, hung)
        report = bench.run(servers=tuple(servers), timeout_s=60.0)
        assert (report.done, len(healthy.predicted)) == (PICTURES, PICTURES)
        assert time.monotonic() - started_s < 10.0
        assert any(hung in record.getMessage() for record in caplog.records), "the log says who is left out"
        assert "answered" in str(replica_of(report, hung)["trouble"])


@pytest.mark.parametrize("hung_from", [1, 5])
def test_a_server_that_stops_answering_on_the_way_costs_some_seconds_and_no_picture(
    bench: Bench, fleet: Callable[..., tuple[str, ...]], hung_from: int
) -> None:
    over = threading.Event()

    def hang(_: Request) -> None:
        if len(hung.batch_sizes) >= hung_from:
            over.wait(60)

    hung, healthy = model(fault=hang), model()
    hung.status_fault = hang
    started_s = time.monotonic()
    servers = fleet(hung, healthy)
    report = bench.run(servers=servers, timeout_s=60.0, max_batch_size=1)
    over.set()
    assert (report.done, report.failed) == (PICTURES, 0)
    assert time.monotonic() - started_s < 20.0, "requests are not waited for until their own time is over"
    assert "nor a question about its status" in str(replica_of(report, servers[0])["trouble"])


def test_a_slow_server_that_reports_its_status_keeps_its_requests(
    bench: Bench, fleet: Callable[..., tuple[str, ...]]
) -> None:
    def take_long(_: Request) -> None:
        time.sleep(5.0)

    slow = model(fault=take_long)
    servers = fleet(slow, model())
    report = bench.run(servers=servers, timeout_s=60.0, max_batch_size=1)
    assert (report.done, report.retries) == (PICTURES, 0)
    assert replica_of(report, servers[0])["taken_out"] == 0
    assert slow.predicted


def test_only_hanging_servers_are_reported_within_the_time_of_a_question(bench: Bench) -> None:
    bench.add("a.png", png(1))
    started_s = time.monotonic()
    with hung_server() as one, hung_server() as two, pytest.raises(ServerSickError, match="not answered within 5 s"):
        bench.run(servers=(one, two), timeout_s=60.0)
    assert time.monotonic() - started_s < 20.0


def test_a_server_that_comes_up_during_the_run_is_taken_in(bench: Bench, fleet: Callable[..., tuple[str, ...]]) -> None:
    port = free_port()
    late = model()
    started = threading.Event()

    def start_the_other(_: Request) -> None:
        if not started.is_set():
            started.set()
            stack.enter_context(CannedServer(late, port=port))
        time.sleep(0.02)

    with ExitStack() as stack:
        servers = (f"http://127.0.0.1:{port}", *fleet(model(fault=start_the_other)))
        report = bench.run(servers=servers, max_batch_size=1, max_concurrency=1)
    assert report.done == PICTURES
    assert late.predicted
    assert replica_of(report, servers[0])["trouble"] == ""


def test_a_server_that_dies_costs_no_picture(bench: Bench, fleet: Callable[..., tuple[str, ...]]) -> None:
    def die(_: Request) -> Answer:
        mortal.stop()
        return Answer(cut_after_bytes=0)

    mortal = CannedServer(model(fault=die))
    healthy = model()
    report = bench.run(servers=(mortal.url, *fleet(healthy)), max_batch_size=2)
    assert (report.done, report.failed) == (PICTURES, 0)
    assert len(healthy.predicted) >= PICTURES
    assert replica_of(report, mortal.url)["taken_out"] == 1


def test_a_server_at_another_version_gets_no_request(bench: Bench, fleet: Callable[..., tuple[str, ...]]) -> None:
    old, new = model(version=1), model(version=2)
    report = bench.run(servers=fleet(old, new), version=2)
    assert (report.version, report.done) == (2, PICTURES)
    assert old.predicted == []
    assert "version 2" in str(report.replicas[0]["trouble"])


def test_a_server_that_loses_the_version_on_the_way_is_left_out(
    bench: Bench, fleet: Callable[..., tuple[str, ...]]
) -> None:
    def swapped_under_the_run(_: Request) -> Answer:
        forgetful.version = 2
        return error_answer(404, "Servable not found for request: Specific(m, 1)")

    forgetful, steady = model(fault=swapped_under_the_run), model()
    report = bench.run(servers=fleet(forgetful, steady), max_batch_size=2)
    assert (report.version, report.done) == (1, PICTURES)
    assert forgetful.predicted == []
    assert len(steady.predicted) == PICTURES


def test_a_version_that_no_server_has_ends_the_run(bench: Bench, fleet: Callable[..., tuple[str, ...]]) -> None:
    with pytest.raises(VersionGoneError, match="does not serve version 9"):
        bench.run(servers=fleet(model(), model()), version=9)
    with pytest.raises(VersionGoneError, match="AVAILABLE on every one"):
        bench.run(servers=fleet(model(version=1), model(version=2)))


def test_no_server_at_all_is_said_at_once(bench: Bench) -> None:
    bench.add("a.png", png(1))
    dead = tuple(f"http://127.0.0.1:{free_port()}" for _ in range(2))
    with pytest.raises(ServerUnreachableError, match="nothing listens"):
        bench.run(servers=dead)
