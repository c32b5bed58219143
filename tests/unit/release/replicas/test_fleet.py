from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from tendies_ops.release.replicas.fleet import Fleet
from tests.support.canned_server import Answer, CannedServer, Request


@dataclass
class Replica:
    """Says in which state version 7 is there, once it may speak."""

    state: str
    may_speak: threading.Event = field(default_factory=threading.Event)

    def __call__(self, request: Request) -> Answer:
        self.may_speak.wait(5)
        status = {"version": "7", "state": self.state, "status": {"error_code": "OK", "error_message": ""}}
        return Answer(body=json.dumps({"model_version_status": [status]}).encode())


@pytest.fixture
def replicas() -> Iterator[dict[str, Replica]]:
    """Three of them by name, of which the silent one may not speak yet."""
    found = {"loading": Replica("LOADING"), "serving": Replica("AVAILABLE"), "silent": Replica("LOADING")}
    found["loading"].may_speak.set()
    found["serving"].may_speak.set()
    yield found
    found["silent"].may_speak.set()


@pytest.fixture
def servers(replicas: dict[str, Replica]) -> Iterator[dict[str, str]]:
    """Where each is found."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(CannedServer(replica)).url for name, replica in replicas.items()}


def test_a_replica_that_hangs_does_not_hold_up_the_question_who_is_loading(
    replicas: dict[str, Replica], servers: dict[str, str]
) -> None:
    with Fleet(list(servers.values()), "m") as fleet:
        assert fleet.loading(7, timeout_s=2) == [servers["loading"]]
        assert fleet.loading(7, [servers["silent"]], timeout_s=0.1) == []
        assert fleet.loading(7, [servers["loading"], servers["serving"]], timeout_s=10) == [servers["loading"]]

        replicas["silent"].may_speak.set()
        assert set(fleet.loading(7, timeout_s=10)) == {servers["loading"], servers["silent"]}


def test_a_replica_that_is_gone_loads_nothing(servers: dict[str, str]) -> None:
    with CannedServer(Replica("LOADING")) as gone:
        url = gone.url
    with Fleet([url, servers["loading"]], "m") as fleet:
        assert fleet.loading(7, timeout_s=10) == [servers["loading"]]
        assert fleet.loading(8, timeout_s=10) == []
