"""Every exchange that was recorded from tensorflow_model_server, sent to the embedded server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SHARED_DATA
from tests.support.model_server import RunningServer
from tests.support.recorded_exchanges import Exchange, load_exchanges, replay, serve_recorded_models

RECORDED = SHARED_DATA / "model-server-exchanges"
EXCHANGES = load_exchanges(RECORDED) if RECORDED.is_dir() else []

#: Name of an exchange -> what is different here on purpose. docs/reference/model-server.md gives the reasons.
DIFFERENT = {
    "absolute-form URI": "connection closed: False",
    "HEAD status": "body of 0 bytes",
    "HEAD predict": "body of 0 bytes",
    "OPTIONS without Origin": "headers ['Content-Length: 0']",
    "OPTIONS with Origin": "headers ['Content-Length: 0']",
    "unknown method BREW": "status line 'HTTP/1.1 400 Bad Request'",
    "invalid UTF-8 in string": "JSON Parse error: Invalid encoding in string.",
    "deep nesting 5000": "JSON Parse error: Nested too deep.",
    "int64 overflow version": "Failed to convert version",
    "2 MB header": "status line 'HTTP/1.1 431 Request Header Fields Too Large'",
    "long URL 100 kB": "status line 'HTTP/1.1 414 ",
}

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Iterator[RunningServer]:
    with serve_recorded_models(shared_data / "model-server-exchanges", tmp_path_factory.mktemp("recorded")) as running:
        yield running


@pytest.mark.parametrize(
    "exchange", EXCHANGES, ids=[f"{number}-{item['group']}-{item['name']}" for number, item in enumerate(EXCHANGES)]
)
def test_an_exchange_replays_equal_or_differs_as_documented(server: RunningServer, exchange: Exchange) -> None:
    tries = 1
    if "different batch sizes" in exchange["name"]:
        tries = 30  # two operations of the graph fail at once, and the session names whichever comes first
    differences = replay(exchange, server.port)
    for _ in range(tries - 1):
        differences = differences and replay(exchange, server.port)
    if exchange["name"] in DIFFERENT:
        assert DIFFERENT[exchange["name"]] in "\n".join(differences)
        return
    assert not differences, "\n".join(differences)
