"""
What the client costs: pictures a second against a server that answers at once, files read and written.

    python -m bench.client_cost [--rounds 5] [--output result.json]

The server answers every request with the same canned pictures, so what is measured is the client. All clients run in
turn, round by round, and ratios are of medians of the same run: on a machine that does other things too, only ratios
mean something, and on a crowded one those of CPU time (pictures a second of one core) rather than those by the wall
clock. Files lie in memory (/dev/shm): on a disk, the disk would be measured.

Clients
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

import argparse
import base64
import contextlib
import functools
import http.client
import json
import multiprocessing
import os
import resource
import shutil
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pybase64
import requests
from PIL import Image, ImageFilter

from bench.results import Row, write_result
from tendies_ops.client import ModelServerClient
from tendies_ops.inference import BatchOptions, run_batch

BATCH = 32
SERVER_PROCESSES = 6  # more than any client has connections open
PATH = "/v1/models/m/versions/1:predict"
STATUS = b'{"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": {}}]}'
PROMISED = {
    ("64x64", "tendies", "best"): ">= 0.8", ("64x64", "tendies", "y2018"): ">= 20",
    ("256x256", "tendies", "best"): ">= 0.8", ("256x256", "tendies", "y2018"): ">= 8",
}  # fmt: skip
FORKING = multiprocessing.get_context("fork")


def plain_answer(picture: bytes, count: int) -> bytes:
    between = b'"\n        }, {\n            "b64": "'
    rows = between.join([pybase64.b64encode(picture)] * count)
    return b'{\n    "predictions": [{\n            "b64": "' + rows + b'"\n        }\n    ]\n}'


def serve(listener: socket.socket, bodies: dict[int, bytes]) -> None:
    """Answer one connection after the other."""
    buffer = bytearray(1 << 23)
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answer_connection(connection, bodies, buffer)


def answer_connection(connection: socket.socket, bodies: dict[int, bytes], buffer: bytearray) -> None:
    """As many canned pictures as the request holds, told by counting in its body."""
    heads = {n: b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(b)
             for n, b in bodies.items()}  # fmt: skip
    while True:
        have = 0
        while (end := buffer.find(b"\r\n\r\n", 0, have)) < 0:
            got = connection.recv_into(memoryview(buffer)[have:])
            if got == 0:
                return
            have += got
        head = bytes(buffer[:end]).lower()
        if head.startswith(b"get"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(STATUS) + STATUS)
            continue
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        while have < end + 4 + length:
            have += connection.recv_into(memoryview(buffer)[have:])
        count = buffer.count(b'"b64"', end, have)
        connection.sendall(heads[count] + bodies[count])


def read_file(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    data = os.read(descriptor, 1 << 22)
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
SLOW = {"y2018": 20, "session": 4, "tendies_run": 1}  # these do so many times fewer pictures a round


def make_case(side: int, folder: Path, count: int) -> tuple[list[str], bytes, bytes]:
    """Files that differ, and the canned answer; at 256 about 30 kB in and 120 kB out."""
    dice = np.random.default_rng(side)
    image = Image.fromarray(dice.integers(0, 256, (side, side, 3), np.uint8))
    folder.mkdir()
    if side == 64:
        image.save(folder / "one", "PNG")
        answer = folder / "answer"
        image.filter(ImageFilter.GaussianBlur(1)).save(answer, "PNG")
    else:
        image.filter(ImageFilter.GaussianBlur(1.2)).save(folder / "one", "JPEG", quality=95)
        answer = folder / "answer"
        image.filter(ImageFilter.GaussianBlur(1.15)).save(answer, "PNG")
    picture, canned = (folder / "one").read_bytes(), answer.read_bytes()
    (folder / "one").unlink()
    answer.unlink()
    names = [f"{n:06}.{'png' if side == 64 else 'jpg'}" for n in range(count)]
    for name in names:
        (folder / name).write_bytes(picture)
    return names, picture, canned


def measure(side: int, count: int, rounds: int, work: Path) -> dict[str, object]:
    source = work / f"in{side}"
    names, picture, canned = make_case(side, source, count)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    bodies = {n: plain_answer(canned, n) for n in range(1, BATCH + 1)}
    servers = [FORKING.Process(target=serve, args=(listener, bodies)) for _ in range(SERVER_PROCESSES)]
    for server in servers:
        server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    wall: dict[str, list[float]] = {name: [] for name in CLIENTS}
    cpu: dict[str, list[float]] = {name: [] for name in CLIENTS}
    try:
        for number in range(rounds + 1):  # the first warms up
            for name, client in CLIENTS.items():
                mine = names[: max(BATCH, len(names) // SLOW.get(name, 1))]
                target = work / f"out-{side}-{number}-{name}"
                target.mkdir()
                started_s, cpu_s = time.perf_counter(), cpu_time_s()
                client(url, str(source), mine, str(target))
                if number:
                    wall[name].append((time.perf_counter() - started_s) / len(mine))
                    cpu[name].append((cpu_time_s() - cpu_s) / len(mine))
                shutil.rmtree(target)
    finally:
        for server in servers:
            server.terminate()
            server.join()
    return {
        "bytes_in": len(picture),
        "bytes_out": len(canned),
        "by_wall_clock": summarised(wall),
        "by_cpu_time": summarised(cpu),
    }


def cpu_time_s() -> float:
    """Of this process, its threads, and its children that have ended: what a client costs, however busy the machine."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def summarised(seconds: dict[str, list[float]]) -> dict[str, object]:
    rates = {name: round(1 / statistics.median(values), 1) for name, values in seconds.items()}
    pairs = [
        ("tendies", "best"), ("tendies_2", "best_2"), ("tendies_run", "best"),
        ("best", "y2018"), ("tendies", "y2018"), ("tendies_threads", "y2018"), ("tendies_2", "y2018"),
        ("tendies_run", "y2018"),
    ]  # fmt: skip
    return {
        "images_per_second": rates,
        "ratios": {f"{ours} / {theirs}": round(rates[ours] / rates[theirs], 2) for ours, theirs in pairs},
    }


def rows_of(result: dict[str, dict[str, Any]]) -> list[Row]:
    rows = []
    for case, measured in result.items():
        for clock, unit in (("by_wall_clock", "images/s"), ("by_cpu_time", "images/CPU s")):
            rates = measured[clock]["images_per_second"]
            for pair, ratio in measured[clock]["ratios"].items():
                ours, theirs = pair.split(" / ")
                promise = PROMISED.get((case, ours, theirs), "")
                what = f"{TITLES[ours]}, {case}"
                rows.append(Row(what, rates[ours], unit, TITLES[theirs], rates[theirs], ratio, promise))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=3200, help="pictures of 64x64 a round; a quarter of it at 256x256")
    parser.add_argument("--output", type=Path, help="write the result here too")
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="tendies-bench-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        result = {
            f"{side}x{side}": measure(side, arguments.count // share, arguments.rounds, work)
            for side, share in ((64, 1), (256, 4))
        }
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_result("client_cost", rows_of(result), rounds=arguments.rounds)
    text = json.dumps(result, indent=1)
    if arguments.output:
        arguments.output.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
