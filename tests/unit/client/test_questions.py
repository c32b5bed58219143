"""The same question to several servers at once."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tendies_ops.client import ModelServerClient
from tendies_ops.client.questions import ask_each
from tendies_ops.errors import ServerSickError, ServerUnreachableError
from tests.support.canned_server import CannedModel, CannedServer
from tests.support.ports import free_port


@pytest.fixture
def hung() -> Iterator[str]:
    """Takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def versions(client: ModelServerClient) -> list[int]:
    return list(client.version_statuses("m"))


def test_one_that_hangs_is_waited_for_a_moment_once_another_has_answered(hung: str) -> None:
    with (
        CannedServer(CannedModel(lambda file: file, version=3)) as server,
        ModelServerClient(hung) as silent,
        ModelServerClient(server.url) as well,
    ):
        started_s = time.monotonic()
        answers = ask_each([silent, well], versions, moment_s=0.1)
        took_s = time.monotonic() - started_s
    assert isinstance(answers[0], ServerSickError)
    assert hung in str(answers[0])
    assert answers[1] == [3]
    assert took_s < 3.0


def test_several_that_hang_cost_no_more_than_one(hung: str) -> None:
    clients = [ModelServerClient(hung, question_timeout_s=0.5) for _ in range(20)]
    started_s = time.monotonic()
    answers = ask_each(clients, versions)
    assert time.monotonic() - started_s < 5.0
    assert all(isinstance(answer, ServerSickError) for answer in answers)


def test_one_that_refuses_is_no_answer_to_wait_after() -> None:
    with (
        CannedServer(CannedModel(lambda file: file, version=3)) as server,
        ModelServerClient(f"http://127.0.0.1:{free_port()}") as dead,
        ModelServerClient(server.url) as well,
    ):
        answers = ask_each([dead, well], versions, moment_s=0.0)
    assert isinstance(answers[0], ServerUnreachableError | ServerSickError)
    assert answers[1] == [3]


def test_a_fault_of_the_caller_is_raised(hung: str) -> None:
    with ModelServerClient(hung) as client, pytest.raises(ZeroDivisionError):
        ask_each([client], lambda _: 1 // 0)
