"""
A thousand pictures in and out of an object store that takes 50 ms for a request and fails two of a hundred.

    python -m bench.cluster_object_store [--pictures 1000]

The store is moto's S3 server in a process of its own, with the latency and the failures in front of it; the server
that answers for the model answers at once. Compared with the simplest program: get one, ask, put it, next.
"""

from __future__ import annotations

import argparse
import os
import time

import s3fs

from bench.results import Row, as_table, write_result
from tendies_ops.client import ModelServerClient
from tendies_ops.files.object_store import ObjectStore
from tendies_ops.inference import BatchOptions, run_batch
from tests.support.canned_server import CannedModel, CannedServer
from tests.support.s3_server import PASSING, S3, s3_server
from tests.support.sample_pictures import png

LATENCY_S = 0.05
FAILING = 0.02
ONE_BY_ONE = 60  # pictures, from which the time for all follows


def fill(count: int) -> list[str]:
    store = ObjectStore("s3://bench/in")
    names = [f"{number // 500}/{number:05}.png" for number in range(count)]
    list(store.map(lambda name: store.write(name, png(1)), names))
    return names


def one_at_a_time_s(url: str, names: list[str]) -> float:
    files = s3fs.S3FileSystem()
    files.find("bench/in", detail=True)
    started_s = time.monotonic()
    with ModelServerClient(url) as client:
        for name in names:
            [answer] = client.predict_files("m", [files.cat_file(f"bench/in/{name}")])
            files.pipe_file(f"bench/one-by-one/{name}", answer)
    return (time.monotonic() - started_s) / len(names)


def measure(s3: S3, url: str, pictures: int) -> list[Row]:
    names = fill(pictures)
    s3.behave(latency_s=LATENCY_S, failing=FAILING)
    alone_s = one_at_a_time_s(url, names[:ONE_BY_ONE]) * pictures
    before = s3.counts()
    started_s = time.monotonic()
    report = run_batch(
        BatchOptions(input="s3://bench/in", output="s3://bench/out", model_name="m", servers=(url,), provenance=False)
    )
    took_s = time.monotonic() - started_s
    counts = {kind: count - before.get(kind, 0) for kind, count in s3.counts().items()}
    s3.behave(latency_s=0.0, failing=0.0)
    written = [name for name in s3fs.S3FileSystem().find("bench/out") if "/.tendies/" not in name]
    assert (report.done, report.failed, len(written)) == (pictures, 0, pictures)
    what = f"{pictures:,} pictures in and out, {LATENCY_S * 1e3:.0f} ms a request, {FAILING:.0%} failing"
    more = {"failures": sum(counts.get(kind, 0) for kind in PASSING), "requests": counts}
    ratio = round(alone_s / took_s, 2)
    return [Row(what, round(took_s, 2), "s", "one at a time", round(alone_s, 1), ratio, ">= 10 times as fast", more)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    pictures = parser.parse_args().pictures
    with s3_server() as s3, CannedServer(CannedModel(lambda file: file)) as server:
        os.environ.update(s3.environment)
        s3fs.S3FileSystem().mkdir("bench")
        rows = measure(s3, server.url, pictures)
    write_result("cluster_object_store", rows, latency_s=LATENCY_S, failing=FAILING)
    print(as_table(rows))


if __name__ == "__main__":
    main()
