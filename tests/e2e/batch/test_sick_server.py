"""Bad picture, sick server, gone version, wrong contract: told apart, whatever comes over the wire."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest

from tendies_ops.client import replica_health
from tendies_ops.errors import (
    OutputFolderError,
    RequestRefusedError,
    ServerSickError,
    ServerUnreachableError,
    VersionGoneError,
    WrongContractError,
)
from tendies_ops.inference.requests import pacer as pacing
from tendies_ops.inference.storage.local import LocalOutput
from tests.support.batch_bench import Bench
from tests.support.canned_server import (
    Answer,
    CannedServer,
    Request,
    error_answer,
    predictions_answer,
    sent_files,
)
from tests.support.sample_pictures import folder_of_pngs, inverted, png
from tests.support.sick_answers import SICK_ANSWERS

FAULTS = [*SICK_ANSWERS, Answer(body=b'{"predictions": []}'), predictions_answer([b"no picture"] * 8)]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(pacing, "_LONGEST_PAUSE_S", 0.05)
    monkeypatch.setattr(replica_health, "_FIRST_LOOK_S", 0.01)
    monkeypatch.setattr(replica_health, "_LONGEST_LOOK_S", 0.05)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_fails_for_a_while_costs_time_and_no_picture(
    make_bench: Callable[..., Bench], fault: Answer
) -> None:
    bench: Bench = make_bench(fault=lambda _: fault if 2 <= len(bench.model.batch_sizes) < 9 else None)
    folder_of_pngs(bench.input, 40)
    report = bench.run(max_batch_size=8)
    assert (report.done, report.failed) == (40, 0)
    assert report.retries >= 1
    assert sorted(set(bench.model.predicted) - _proofs(bench)) == sorted(png(n) for n in range(40))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_stays_unhealthy_stops_the_run_and_blames_no_one(
    make_bench: Callable[..., Bench], fault: Answer
) -> None:
    bench: Bench = make_bench(fault=lambda _: fault if len(bench.model.batch_sizes) > 2 else None)
    folder_of_pngs(bench.input, 30)
    with pytest.raises(ServerSickError, match="No picture is to blame"):
        bench.run(max_batch_size=8, sick_deadline_s=0.5)
    assert {record["outcome"] for record in bench.records()} == {"done"}
    bench.model.fault = lambda _: None
    assert bench.run().done + len(bench.records()) >= 30
    assert len(bench.outputs()) == 30


def test_random_faults_never_blame_a_picture_and_lose_none(make_bench: Callable[..., Bench]) -> None:
    dice = random.Random(7)
    bench: Bench = make_bench(fault=lambda _: dice.choice(FAULTS) if dice.random() < 0.3 else None)
    folder_of_pngs(bench.input, 120)
    report = bench.run(max_batch_size=8)
    assert (report.done, report.failed) == (120, 0)
    assert bench.outputs() == {f"{n:05}.png": inverted(png(n)) for n in range(120)}


def test_a_picture_that_crashes_the_server_is_found_and_named(make_bench: Callable[..., Bench]) -> None:
    poison = png(13)

    def crash(request: Request) -> Answer | None:
        return Answer(cut_after_bytes=0) if poison in sent_files(request) else None

    bench: Bench = make_bench(fault=crash)
    folder_of_pngs(bench.input, 30)
    report = bench.run(max_batch_size=8)
    assert (report.done, report.failed) == (29, 1)
    assert (report.failures[0].input, report.failures[0].kind) == ("00013.png", "server_error")
    assert bench.run().failures[0].kind == "server_error"  # it is tried again: a better server may take it


def test_a_server_that_takes_small_requests_only_is_given_small_ones(make_bench: Callable[..., Bench]) -> None:
    def too_many(request: Request) -> Answer | None:
        if len(sent_files(request)) > 4:
            return error_answer(400, "Task size 8 is larger than maximum input batch size 4")
        return None

    bench: Bench = make_bench(fault=too_many)
    folder_of_pngs(bench.input, 100)
    report = bench.run(max_batch_size=16)
    assert (report.done, report.failed) == (100, 0)
    assert report.retries <= 12


def test_a_version_that_goes_away_stops_the_run_with_the_reason(make_bench: Callable[..., Bench]) -> None:
    def leave(_: Request) -> None:
        if len(bench.model.batch_sizes) == 4:
            bench.model.version = 2

    bench: Bench = make_bench(fault=leave)
    folder_of_pngs(bench.input, 40)
    with pytest.raises(VersionGoneError, match="Servable not found"):
        bench.run(max_batch_size=4)
    assert {record["version"] for record in bench.records()} == {1}
    bench.model.fault = lambda _: None
    report = bench.run(max_batch_size=4)
    assert (report.version, report.done) == (2, 40)
    assert {record["version"] for record in bench.newest_records().values()} == {2}


def test_a_model_that_refuses_every_picture_is_a_wrong_contract(make_bench: Callable[..., Bench]) -> None:
    def refuse(_: bytes) -> bytes:
        raise ValueError("Expecting tensor size: 4 but got: 1")

    bench: Bench = make_bench(transform=refuse)
    folder_of_pngs(bench.input, 40)
    with pytest.raises(WrongContractError, match=r"refuses even a plain picture.*Expecting tensor size"):
        bench.run()
    assert bench.records() == []


def test_a_model_with_other_outputs_is_a_wrong_contract(make_bench: Callable[..., Bench]) -> None:
    bench: Bench = make_bench(
        fault=lambda request: Answer(body=b'{"predictions": [%s]}' % b",".join([b"0.5"] * _count(request)))
    )
    folder_of_pngs(bench.input, 4)
    with pytest.raises(WrongContractError, match="a float for a picture"):
        bench.run()


def test_no_access_stops_the_run(make_bench: Callable[..., Bench]) -> None:
    bench: Bench = make_bench(fault=lambda _: error_answer(401, "token expired"))
    folder_of_pngs(bench.input, 4)
    with pytest.raises(RequestRefusedError, match="token expired"):
        bench.run()
    assert bench.records() == []


def test_a_folder_of_only_bad_pictures_is_not_a_wrong_contract(make_bench: Callable[..., Bench]) -> None:
    def picky(data: bytes) -> bytes:
        if data in {png(n) for n in range(3)}:
            raise ValueError("ugly")
        return inverted(data)

    bench: Bench = make_bench(transform=picky)
    folder_of_pngs(bench.input, 3)
    report = bench.run()
    assert (report.done, report.failed, report.ok) == (0, 3, False)
    assert all("ugly" in failure.reason for failure in report.failures)


def test_an_answer_that_is_no_picture_fails_its_picture_only(make_bench: Callable[..., Bench]) -> None:
    bench: Bench = make_bench(transform=lambda data: b"nonsense" if data == png(1) else inverted(data))
    folder_of_pngs(bench.input, 4)
    report = bench.run()
    assert (report.done, report.failures[0].kind) == (3, "bad_output")


def test_a_server_that_restarts_is_waited_for(make_bench: Callable[..., Bench]) -> None:
    bench: Bench = make_bench()
    servers: list[CannedServer] = []

    def restart() -> None:
        bench.server.stop()
        time.sleep(0.4)
        servers.append(CannedServer(bench.model, port=bench.server.port))

    def slowly(_: Request) -> None:
        time.sleep(0.02)

    bench.model.fault = slowly
    folder_of_pngs(bench.input, 60)
    threading.Timer(0.3, restart).start()
    try:
        report = bench.run(max_batch_size=1, max_concurrency=2)
    finally:
        for server in servers:
            server.stop()
    assert (report.done, report.failed) == (60, 0)
    assert servers


def test_a_server_that_never_comes_back_is_given_up(bench: Bench) -> None:
    folder_of_pngs(bench.input, 20)

    def die(_: Request) -> None:
        if len(bench.model.batch_sizes) == 3:
            bench.server.stop()

    bench.model.fault = die
    with pytest.raises((ServerSickError, ServerUnreachableError), match="No server has answered"):
        bench.run(max_batch_size=2, sick_deadline_s=0.5)


def test_a_full_disk_ends_the_run_keeps_what_is_done_and_blames_no_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of_pngs(bench.input, 20)
    real_write = LocalOutput.write
    written: list[str] = []

    def full(self: LocalOutput, path: str, data: bytes) -> None:
        if len(written) >= 8:
            raise OutputFolderError(f"{path} cannot be written: No space left on device.")
        written.append(path)
        real_write(self, path, data)

    monkeypatch.setattr(LocalOutput, "write", full)
    with pytest.raises(OutputFolderError, match="No space left"):
        bench.run(max_batch_size=4)
    monkeypatch.setattr(LocalOutput, "write", real_write)
    assert {record["outcome"] for record in bench.records()} <= {"done"}
    report = bench.run(max_batch_size=4)
    assert (report.total, report.failed) == (20, 0)
    assert len(bench.outputs()) == 20


def _count(request: Request) -> int:
    return len(sent_files(request))


def _proofs(bench: Bench) -> set[bytes]:
    """Harmless pictures that were sent to see whether the server is well."""
    return set(bench.model.predicted) - {png(n) for n in range(60)}
