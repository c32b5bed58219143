"""Who is left out, when it is looked at, and when it is given work again."""

from __future__ import annotations

import pytest

from tendies_ops.client import ModelServerClient
from tendies_ops.client.replica_health import ReplicaHealth, look_at
from tendies_ops.errors import ModelServerError, ServerSickError, ServerUnreachableError, VersionGoneError
from tests.support.canned_server import CannedModel, CannedServer
from tests.support.ports import free_port

SILENT = ServerSickError("not answered within 5 s")
BUSY = ServerSickError("the queue is full", http_status=503)


@pytest.mark.parametrize("error", [SILENT, ServerUnreachableError("nothing listens"), VersionGoneError("no version 3")])
def test_a_server_that_cannot_be_asked_is_left_out_at_once(error: ModelServerError) -> None:
    health = ReplicaHealth()
    health.on_trouble(error, 10.0)
    assert not health.in_rotation
    assert health.lacks_version == isinstance(error, VersionGoneError)
    assert health.why == str(error)


def test_a_busy_server_stays_and_one_that_fails_again_and_again_does_not() -> None:
    health = ReplicaHealth()
    for _ in range(4):
        health.on_trouble(BUSY, 10.0)
    assert health.in_rotation
    health.on_answer()
    health.on_trouble(BUSY, 11.0)
    assert health.in_rotation
    for _ in range(4):
        health.on_trouble(BUSY, 12.0)
    assert not health.in_rotation


def test_it_is_looked_at_later_each_time_and_by_one_at_a_time() -> None:
    health = ReplicaHealth()
    health.on_trouble(SILENT, 0.0)
    assert not health.start_look(0.1)
    pauses_s, now_s = [], 0.0
    for _ in range(8):
        began_s = now_s
        while not health.start_look(now_s):
            now_s += 0.1
        assert not health.start_look(now_s + 100)
        pauses_s.append(now_s - began_s)
        health.on_look(SILENT, now_s)
    assert pauses_s == sorted(pauses_s)
    assert 9.5 < pauses_s[-1] < 10.5


def test_it_comes_back_when_the_version_is_there_and_is_doubted_until_it_has_answered() -> None:
    health = ReplicaHealth()
    health.on_trouble(SILENT, 0.0)
    assert health.start_look(0.3)
    health.on_look(None, 0.3)
    assert health.in_rotation
    assert health.why == ""
    health.on_trouble(SILENT, 1.0)
    assert not health.start_look(1.3), "it failed again at once: longer than the first time"
    assert health.start_look(1.5)
    assert health.times_out == 2


def test_a_look_says_what_the_server_says() -> None:
    with CannedServer(CannedModel(lambda file: file, version=3)) as server, ModelServerClient(server.url) as client:
        assert look_at(client, "m", 3) is None
        assert isinstance(look_at(client, "m", 4), VersionGoneError)
        assert isinstance(look_at(client, "other", 3), VersionGoneError)
    with ModelServerClient(f"http://127.0.0.1:{free_port()}") as client:
        assert isinstance(look_at(client, "m", 3), ServerUnreachableError)
