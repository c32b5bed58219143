"""
Browsers that open galleries of the pages, and a clock that watches another route of the same API server.

Each runs as a process of its own, ``python -m tests.support.galleries watch ...``, so that neither slows the other.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import select
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support.airflow_home import REPOSITORY


def start(what: str, *arguments: object) -> subprocess.Popen[bytes]:
    """Start one of the functions below."""
    command = [sys.executable, "-m", "tests.support.galleries", what, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY)


def start_watching(questions: Sequence[Question]) -> subprocess.Popen[bytes]:
    """Start :func:`watch`."""
    return start("watch", json.dumps([asdict(one) for one in questions]))


def answer_of(process: subprocess.Popen[bytes], timeout_s: float = 900) -> Any:
    """End its input, wait for it, and return what it found."""
    return json.loads(process.communicate(timeout=timeout_s)[0])


def percentile_ms(latencies_ms: list[float], percent: int) -> float:
    return sorted(latencies_ms)[percent * (len(latencies_ms) - 1) // 100]


@dataclass(frozen=True)
class Question:
    """A request that is asked again and again, and the status of its answer."""

    url: str
    method: str = "GET"
    status: int = 200
    token: str = ""
    body: str = ""

    def ask(self, connection: http.client.HTTPConnection) -> float:
        """Return how many milliseconds the answer took."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"} if self.token else {}
        began_s = time.perf_counter()
        connection.request(self.method, urlsplit(self.url).path, self.body or None, headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == self.status, (self.url, answer.status, text[:500])
        return (time.perf_counter() - began_s) * 1000


def watch(questions: str) -> dict[str, list[float]]:
    """Ask some questions, up to fifty a second, until the input ends; url -> milliseconds of each answer."""
    asked = [Question(**one) for one in json.loads(questions)]
    places = {urlsplit(one.url).netloc for one in asked}
    connections = {place: http.client.HTTPConnection(place, timeout=60) for place in places}
    took: dict[str, list[float]] = {one.url: [] for one in asked}
    turns = itertools.cycle(asked)
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        question = next(turns)
        took[question.url].append(question.ask(connections[urlsplit(question.url).netloc]))
    return took


def open_galleries(page: str, token: str, users: int) -> dict[str, int]:
    """Have some users open a gallery, each with all its pictures; status -> how many answers."""
    statuses: Counter[str] = Counter()

    def user() -> None:
        place = urlsplit(page)
        connection = http.client.HTTPConnection(place.netloc, timeout=120)
        sources = re.findall(rb'<img src="([^"]+)"', _get(connection, place.path, token, statuses))
        for source in sources:
            _get(connection, source.decode().replace("&amp;", "&"), token, statuses)

    threads = [threading.Thread(target=user) for _ in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(statuses)


def view(page: str, token: str, times: int) -> dict[str, int]:
    """Have one user look at a page again and again, each time with one of its pictures."""
    statuses: Counter[str] = Counter()
    place = urlsplit(page)
    connection = http.client.HTTPConnection(place.netloc, timeout=120)
    for number in range(times):
        sources = re.findall(rb'<img src="([^"]+)"', _get(connection, place.path, token, statuses))
        _get(connection, sources[number % len(sources)].decode(), token, statuses)
    return dict(statuses)


def _get(connection: http.client.HTTPConnection, path: str, token: str, statuses: Counter[str]) -> bytes:
    """Ask as a browser and the page's script do: again when the server says when."""
    for tried in range(3):
        connection.request("GET", path, headers={"Cookie": f"_token={token}"})
        answer = connection.getresponse()
        body = answer.read()
        statuses[str(answer.status)] += 1
        if answer.status != 503:
            break
        time.sleep(float(answer.headers["Retry-After"]) * (1 + tried))
    return body


if __name__ == "__main__":
    wanted: Any = {"watch": watch, "open": open_galleries, "view": view}[sys.argv[1]]
    json.dump(wanted(*sys.argv[2:4], *map(int, sys.argv[4:])), sys.stdout)
