"""
Whether a batch run stays flat: time and memory over 100,000 small pictures, and planning over a million done ones.

    python -m bench.batch_scale [--pictures 100000] [--done 1000000]

The first part runs small pictures against a server that answers at once, and compares time per picture and peak memory
between its first and its last tenth. The second lists a million nearly empty files and a ledger that has them all as
done: what a nightly run over an old folder costs. Files are in memory (/dev/shm), outputs as one file with many names.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.canned_answers import FORKING, canned_server, make_case
from bench.results import Row, as_table, write_result
from tendies_ops.files import digest_bytes
from tendies_ops.inference import BatchOptions, BatchProgress, run_batch
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, Ledger, RunStamp, make_record
from tendies_ops.inference.ledger.outcomes import Found, Outcome

PER_FOLDER = 1000
SERVER_PROCESSES = 4


def peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def many_names(file: Path, folder: Path, count: int) -> None:
    """``count`` hard links, a thousand a folder: names without the space."""
    for number in range(count):
        if number % PER_FOLDER == 0:
            below = folder / f"{number // PER_FOLDER:05}"
            below.mkdir(parents=True)
        os.link(file, below / f"{number % PER_FOLDER:04}.png")


def options_for(work: Path, url: str) -> BatchOptions:
    return BatchOptions(
        input=str(work / "in"), output=str(work / "out"), model_name="m", servers=(url,), provenance=False,
        max_concurrency=2,
    )  # fmt: skip


def flat(work: Path, url: str, picture: Path, count: int) -> dict[str, object]:
    many_names(picture, work / "in", count)
    points: list[tuple[float, int, float]] = []  # CPU seconds, pictures done, MiB

    def look(progress: BatchProgress) -> None:
        points.append((time.process_time(), progress.done, peak_mib()))

    cpu_s = time.process_time()
    report = run_batch(options_for(work, url), on_progress=look)
    tenth = max(1, len(points) // 10)
    first, last = (points[0], points[tenth]), (points[-1 - tenth], points[-1])
    return {
        "pictures": report.done,
        "seconds": report.elapsed_s,
        "cpu_us_per_picture": round(1e6 * (time.process_time() - cpu_s) / count, 1),
        "cpu_us_per_picture_in_the_first_tenth": _us_per_picture(*first),
        "cpu_us_per_picture_in_the_last_tenth": _us_per_picture(*last),
        "peak_mib_after_1000": next((mib for _, done, mib in points if done >= 1000), None),
        "peak_mib_at_the_end": peak_mib(),
    }


def planned(work: Path, url: str, count: int) -> dict[str, object]:
    """In a child, so that its memory is its own."""
    (work / "out" / ".tendies").mkdir(parents=True)
    (work / "one").write_bytes(b"x")
    many_names(work / "one", work / "in", count)
    modified_ns, digest = (work / "one").stat().st_mtime_ns, digest_bytes(b"x")
    options = options_for(work, url)
    ledger = Ledger(work / "out" / ".tendies" / LEDGER_NAME)
    stamp = RunStamp("earlier", "m", 1, None, options.digest)
    for at in range(0, count, PER_FOLDER):
        names = [f"{at // PER_FOLDER:05}/{n:04}" for n in range(min(PER_FOLDER, count - at))]
        found = [Found(f"{name}.png", 1, modified_ns, name) for name in names]
        done = [
            Outcome(
                one, "done", input_digest=digest, output=one.path, output_digest=digest, output_modified_ns=modified_ns
            )
            for one in found
        ]
        ledger.append(make_record(outcome, stamp, 1) for outcome in done)
    ledger.close()
    for folder in (work / "in").iterdir():  # the results, as more names of the same file
        shutil.copytree(folder, work / "out" / folder.name, copy_function=os.link)
    receiver, sender = FORKING.Pipe(duplex=False)

    def child() -> None:
        cpu_s = time.process_time()
        report = run_batch(options)
        cpu_s = round(time.process_time() - cpu_s, 2)
        sender.send({
            "skipped": report.skipped, "seconds": report.elapsed_s, "cpu_seconds": cpu_s, "peak_mib": peak_mib()
        })  # fmt: skip

    process = FORKING.Process(target=child)
    process.start()
    result: dict[str, object] = receiver.recv()
    process.join()
    return result


def _us_per_picture(start: tuple[float, int, float], end: tuple[float, int, float]) -> float:
    return round(1e6 * (end[0] - start[0]) / max(1, end[1] - start[1]), 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--done", type=int, default=1_000_000)
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="tendies-scale-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    names, picture, _ = make_case(64, work / "case", 1)
    small = bytes.fromhex("89504e470d0a1a0a") + b"\0" * 92  # counts as a picture, and a million of them fit
    try:
        with canned_server(small, SERVER_PROCESSES) as url:
            result = {
                "planning": planned(work / "planning", url, arguments.done),
                "flatness": flat(work / "flat", url, work / "case" / names[0], arguments.pictures),
                "bytes_in": len(picture),
            }
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_result("batch_scale", rows := rows_of(result), load_average=os.getloadavg()[0], cases=result)
    print(as_table(rows))


def rows_of(result: dict[str, Any]) -> list[Row]:
    planned_run, flat_run = result["planning"], result["flatness"]
    planned_count = f"{planned_run['skipped']:,} done pictures planned and skipped"
    first, last = (flat_run[f"cpu_us_per_picture_in_the_{name}_tenth"] for name in ("first", "last"))
    memory = flat_run["peak_mib_at_the_end"], flat_run["peak_mib_after_1000"]
    flat_count = f"{flat_run['pictures']:,} small pictures"
    return [
        Row(planned_count, planned_run["cpu_seconds"], "s of CPU", promise="< 60"),
        Row(planned_count, planned_run["seconds"], "s", promise="< 60"),
        Row(planned_count, planned_run["peak_mib"], "MiB", promise="< 500"),
        Row(f"{flat_count}, the last tenth", last, "us of CPU each", "the first tenth", first, round(last / first, 3)),
        Row(f"{flat_count}, memory", memory[0], "MiB", "after 1,000", memory[1], round(memory[0] / memory[1], 3)),
    ]


if __name__ == "__main__":
    main()
