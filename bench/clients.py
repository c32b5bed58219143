"""
Clients of a Model Server, from the one of 2018 to the fastest that we can write; each does a list of files.

    y2018        one picture a request, base64 and json of the standard library, requests.post without a session
    session      batches of 32, requests.Session, base64 and json of the standard library
    best         the fastest that we can write with requests, everything inlined: the yardstick
    http_client  the same without requests, for comparison
    tendies      ModelServerClient, and a file's bytes in one read and one write
    tendies_run  a whole `run_batch`: digests, ledger, renames, plan, report, back-off, all of it

Two processes of `tendies` share the work in `tendies_2`, as two of `best` do in `best_2`; two threads with one
client do in `tendies_threads`, which pays where answers are large.
"""

from __future__ import annotations

import base64
import functools
import http.client
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pybase64
import requests

from bench.canned_answers import BATCH, FORKING, PATH
from tendies_ops.client import ModelServerClient
from tendies_ops.inference import BatchOptions, run_batch


def read_file(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    data = os.read(descriptor, os.fstat(descriptor).st_size)  # a guess that is too large costs memory to clear
    os.close(descriptor)
    return data


def write_file(path: str, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.write(descriptor, data)
    os.close(descriptor)


def batches(names: list[str]) -> Iterator[list[str]]:
    for at in range(0, len(names), BATCH):
        yield names[at : at + BATCH]


def y2018(url: str, source: str, names: list[str], target: str) -> None:
    for name in names:
        with open(f"{source}/{name}", "rb") as stream:  # noqa: PTH123 # as it was written then
            picture = base64.b64encode(stream.read()).decode()
        answer = requests.post(url + PATH, data=json.dumps({"instances": [{"b64": picture}]}), timeout=60)
        result = base64.b64decode(answer.json()["predictions"][0]["b64"])
        with open(f"{target}/{name}.png", "wb") as stream:  # noqa: PTH123
            stream.write(result)


def session(url: str, source: str, names: list[str], target: str) -> None:
    with requests.Session() as of_requests:
        for batch in batches(names):
            instances = []
            for name in batch:
                with open(f"{source}/{name}", "rb") as stream:  # noqa: PTH123 # as it was written then
                    instances.append({"b64": base64.b64encode(stream.read()).decode()})
            answer = of_requests.post(url + PATH, data=json.dumps({"instances": instances}), timeout=60).json()
            for name, prediction in zip(batch, answer["predictions"], strict=True):
                with open(f"{target}/{name}.png", "wb") as stream:  # noqa: PTH123
                    stream.write(base64.b64decode(prediction["b64"]))


def best(url: str, source: str, names: list[str], target: str) -> None:
    """One prepared request reused, one raw read, a joined body, a sliced answer, nothing checked."""
    of_requests = requests.Session()
    of_requests.trust_env = False
    prepared = of_requests.prepare_request(requests.Request("POST", url + PATH))
    adapter = of_requests.get_adapter(url)
    encode, decode = pybase64.b64encode, pybase64.b64decode
    for batch in batches(names):
        body = (
            b'{"instances":[{"b64":"'
            + b'"},{"b64":"'.join([encode(read_file(f"{source}/{n}")) for n in batch])
            + b'"}]}'
        )
        prepared.body = body
        prepared.headers["Content-Length"] = str(len(body))
        answer = adapter.send(prepared, stream=True, timeout=60).raw.read()
        at = 0
        for name in batch:
            start = answer.index(b'"b64": "', at) + 8
            at = answer.index(b'"', start)
            write_file(f"{target}/{name}.png", decode(answer[start:at]))


def http_client(url: str, source: str, names: list[str], target: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    encode, decode = pybase64.b64encode, pybase64.b64decode
    for batch in batches(names):
        body = (
            b'{"instances":[{"b64":"'
            + b'"},{"b64":"'.join([encode(read_file(f"{source}/{n}")) for n in batch])
            + b'"}]}'
        )
        connection.request("POST", PATH, body)
        answer = connection.getresponse().read()
        at = 0
        for name in batch:
            start = answer.index(b'"b64": "', at) + 8
            at = answer.index(b'"', start)
            write_file(f"{target}/{name}.png", decode(answer[start:at]))


def tendies_batch(client: ModelServerClient, source: str, target: str, batch: list[str]) -> None:
    answers = client.predict_files("m", [read_file(f"{source}/{name}") for name in batch], version=1)
    for name, answer in zip(batch, answers, strict=True):
        write_file(f"{target}/{name}.png", answer)


def tendies(url: str, source: str, names: list[str], target: str) -> None:
    with ModelServerClient(url) as client:
        for batch in batches(names):
            tendies_batch(client, source, target, batch)


def tendies_threads(url: str, source: str, names: list[str], target: str) -> None:
    with ModelServerClient(url) as client, ThreadPoolExecutor(2) as pool:
        list(pool.map(functools.partial(tendies_batch, client, source, target), batches(names)))


def tendies_run(url: str, source: str, names: list[str], target: str) -> None:
    options = BatchOptions(
        input=source, output=target, model_name="m", servers=(url,), max_batch_size=BATCH, provenance=False,
        max_request_megapixels=64.0, max_concurrency=2,
    )  # fmt: skip
    assert run_batch(options).done == len(names)


def in_two(client: Callable[[str, str, list[str], str], None]) -> Callable[[str, str, list[str], str], None]:
    def run(url: str, source: str, names: list[str], target: str) -> None:
        middle = len(names) // 2 // BATCH * BATCH
        others = [
            FORKING.Process(target=client, args=(url, source, part, target))
            for part in (names[:middle], names[middle:])
        ]
        for process in others:
            process.start()
        for process in others:
            process.join()

    return run


CLIENTS = {
    "y2018": y2018, "session": session, "best": best, "http_client": http_client, "tendies": tendies,
    "tendies_threads": tendies_threads, "best_2": in_two(best), "tendies_2": in_two(tendies),
    "tendies_run": tendies_run,
}  # fmt: skip
TITLES = {
    "y2018": "the 2018 client", "best": "the fastest with requests", "best_2": "the fastest, two processes",
    "tendies": "ModelServerClient", "tendies_threads": "ModelServerClient, two threads",
    "tendies_2": "ModelServerClient, two processes", "tendies_run": "a whole run_batch",
}  # fmt: skip
