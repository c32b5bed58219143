"""
Clients of a Model Server, from the one of 2018 to the fastest that we can write; each does a list of files.

    y2018        one picture a request, base64 and json of the standard library, requests.post without a session
    session      batches of 32, requests.Session, base64 and json of the standard library
    best         the fastest that we can write with requests, nothing checked: the yardstick
    http_client  the same without requests, for comparison
    tendies      ModelServerClient, and a file's bytes in one read and one write
    tendies_run  a whole `run_batch`: digests, ledger, renames, plan, report, back-off, all of it

Two processes of `tendies` share the work in `tendies_2`, as two of `best` do in `best_2`; two threads with one
client do in `tendies_threads`, which pays where answers are large.
"""

from __future__ import annotations

import base64
import contextlib
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
from tendies_ops.client.adapter import OneServerAdapter
from tendies_ops.inference import BatchOptions, run_batch


@contextlib.contextmanager
def folders(*paths: str) -> Iterator[list[int]]:
    """Descriptors of folders: a file that is opened relative to one is looked up by its name alone."""
    descriptors = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in paths]
    try:
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def read_file(folder: int, name: str) -> bytes:
    descriptor = os.open(name, os.O_RDONLY, dir_fd=folder)
    data = os.read(descriptor, os.fstat(descriptor).st_size)  # a guess that is too large costs memory to clear
    os.close(descriptor)
    return data


def write_file(folder: int, name: str, data: bytes) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666, dir_fd=folder)
    os.write(descriptor, data)
    os.close(descriptor)


def joined_body(source: int, batch: list[str]) -> bytes:
    """Return the pictures of a batch as one request, each byte copied once."""
    parts = [b'{"instances":[{"b64":"']
    for name in batch:
        parts += (pybase64.b64encode(read_file(source, name)), b'"},{"b64":"')
    parts[-1] = b'"}]}'
    return b"".join(parts)


def write_answer(target: int, batch: list[str], answer: bytes) -> None:
    """Return the pictures of an answer, sliced where they lie; nothing is checked."""
    view = memoryview(answer)
    end = 0
    for name in batch:
        start = answer.index(b'"b64": "', end) + 8
        end = answer.index(b'"', start)
        write_file(target, f"{name}.png", pybase64.b64decode(view[start:end]))


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
    """One prepared request reused, sent by the leanest adapter, one raw read, nothing checked."""
    prepared = requests.Session().prepare_request(requests.Request("POST", url + PATH))
    adapter = OneServerAdapter(1)
    with folders(source, target) as (pictures, results):
        for batch in batches(names):
            prepared.body = joined_body(pictures, batch)
            prepared.headers["Content-Length"] = str(len(prepared.body))
            answer = adapter.send(prepared, stream=True, timeout=60).raw.read()
            write_answer(results, batch, answer)


def http_client(url: str, source: str, names: list[str], target: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    with folders(source, target) as (pictures, results):
        for batch in batches(names):
            connection.request("POST", PATH, joined_body(pictures, batch))
            write_answer(results, batch, connection.getresponse().read())


def tendies_batch(client: ModelServerClient, source: int, target: int, batch: list[str]) -> None:
    answers = client.predict_files("m", [read_file(source, name) for name in batch], version=1)
    for name, answer in zip(batch, answers, strict=True):
        write_file(target, f"{name}.png", answer)


def tendies(url: str, source: str, names: list[str], target: str) -> None:
    with ModelServerClient(url) as client, folders(source, target) as (pictures, results):
        for batch in batches(names):
            tendies_batch(client, pictures, results, batch)


def tendies_threads(url: str, source: str, names: list[str], target: str) -> None:
    with ModelServerClient(url) as client, folders(source, target) as (pictures, results):
        do_batch = functools.partial(tendies_batch, client, pictures, results)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(do_batch, batches(names)))


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
