"""
What the ledgers of a year cost: an archive that does not change, a partition of new pictures a night, 12 releases.

    python -m bench.year_of_partitions [--archive 100000] [--nightly 1000]

The ledgers and run folders are written as runs write them, without the pictures. After each release the newest seven
partitions have been processed again. Measured is what a run reads of them: a night's run its own partition's ledger;
the choice of partitions after a release the states of all, none of them read before. Then every output is tidied.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from bench.batch_scale import peak_mib
from bench.canned_answers import FORKING
from bench.results import Row, as_table, write_result
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER, Ledger, RunStamp, make_record
from tendies_ops.inference.ledger.outcomes import Found, Outcome
from tendies_ops.inference.upkeep.tidy_output import tidy_output
from tendies_ops.partitions.keys import Partitions, partitions_of
from tendies_ops.partitions.partition_states import list_states
from tendies_ops.spec import ModelSpec

FIRST, NIGHTS, RELEASES, AGAIN = date(2026, 1, 1), 365, 12, 7
ARCHIVE = "archive"
_DIGEST = "sha256:" + "0123456789abcdef" * 4


def write_run(output: Path, run_id: str, pictures: int, version: int) -> None:
    """Append what one run of this many pictures leaves in the state folder."""
    state = output / STATE_FOLDER
    (state / "runs" / run_id).mkdir(parents=True)
    (state / "runs" / run_id / "report.json").write_text(json.dumps({"ok": True, "done": pictures}))
    ledger = Ledger(state / LEDGER_NAME)
    stamp = RunStamp(run_id, "m", version, _DIGEST, _DIGEST)
    for number in range(pictures):
        found = Found(f"IMG_{number:06}.jpg", 4_000_000, 1_790_000_000_000_000_000, f"IMG_{number:06}.jpg")
        outcome = Outcome(
            found, "done", input_digest=_DIGEST, output=f"IMG_{number:06}.jpg", output_digest=_DIGEST,
            output_size_bytes=2_000_000, output_modified_ns=1_790_000_000_000_000_000, milliseconds=12.345,
            batch_size=8,
        )  # fmt: skip
        ledger.append([make_record(outcome, stamp, 1)])
    ledger.close()


def write_year(root: Path, keys: list[str], archive: int, nightly: int) -> None:
    """Write the archive and a year of nights."""
    write_run(root / ARCHIVE, "first", archive, 1)
    version = 1
    for night, key in enumerate(keys):
        write_run(root / key, "night", nightly, version)
        if (night + 1) % (NIGHTS // RELEASES) == 0:
            version += 1
            for again in keys[max(0, night + 1 - AGAIN) : night + 1]:
                write_run(root / again, f"again_{version}", nightly, version)


def in_a_child(work: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU seconds and the additional peak MiB of some work in a process of its own."""
    receiver, sender = FORKING.Pipe(duplex=False)

    def child() -> None:
        before_mib, cpu_s = peak_mib(), time.process_time()
        work()
        sender.send((time.process_time() - cpu_s, peak_mib() - before_mib))

    process = FORKING.Process(target=child)
    process.start()
    cpu_s, mib = receiver.recv()
    process.join()
    return round(cpu_s, 3), round(mib, 1)


def look_up(output: Path, pictures: int) -> None:
    """Open a ledger and look every picture up, as a run over done pictures does."""
    ledger = Ledger(output / STATE_FOLDER / LEDGER_NAME)
    for number in range(pictures):
        if ledger.newest(f"IMG_{number:06}.jpg") is None:
            raise AssertionError(number)
    ledger.close()


def made_partitions(root: Path) -> Partitions:
    """Return the partitions of a spec whose outputs are below ``root``."""
    batch = {
        "input": "/in/{{ partition_key }}",
        "output": f"{root}/{{{{ partition_key }}}}",
        "partitions": {"every": "day", "start": FIRST},
    }
    spec = ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": "c"}, "batch": batch})
    if (found := partitions_of(spec)) is None:
        raise AssertionError(batch)
    return found


def megabytes(root: Path) -> float:
    """Return the size of all files."""
    return round(sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) / 1e6, 1)


def tidy(root: Path) -> None:
    """Tidy every output; keep the newest run of each."""
    for output in root.iterdir():
        tidy_output(output, keep_runs=1, keep_days=0)


def measure(root: Path, archive: int, nightly: int) -> list[Row]:
    """Write the year and measure."""
    keys = [str(FIRST + timedelta(days=night)) for night in range(NIGHTS)]
    in_a_child(lambda: write_year(root, keys, archive, nightly))  # so that its memory is not that of what is measured
    partitions = made_partitions(root)
    due = partitions.due(datetime(FIRST.year + 1, 1, 1, tzinfo=timezone.utc))
    night_s, night_mib = in_a_child(lambda: look_up(root / keys[-1], nightly))
    archive_s, archive_mib = in_a_child(lambda: look_up(root / ARCHIVE, archive))
    states_s, states_mib = in_a_child(lambda: list(list_states(partitions, due, RELEASES + 1)))
    before_mb = megabytes(root)
    tidy_s, _ = in_a_child(lambda: tidy(root))
    after_mb = megabytes(root)
    night, whole = f"ledger of a night's {nightly:,} pictures", f"ledger of an archive of {archive:,}"
    share = round(after_mb / before_mb, 3)
    states = f"states of {len(due)} partitions after a release, none read before"
    return [
        Row(night, night_s, "s of CPU", promise="<= 2 s of CPU"),
        Row(night, night_mib, "MiB", promise="<= 190 MiB"),
        Row(whole, archive_s, "s of CPU", promise="<= 2 s of CPU"),
        Row(whole, archive_mib, "MiB", promise="<= 190 MiB"),
        Row(states, states_s, "s of CPU"),
        Row(states, states_mib, "MiB", promise="<= 190 MiB"),
        Row("all ledgers and run folders, tidied", after_mb, "MB", "before", before_mb, share, "<= 1000 MB"),
        Row("tidying all of them", tidy_s, "s of CPU"),
    ]  # fmt: skip


def main() -> None:
    """Measure, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=int, default=100_000)
    parser.add_argument("--nightly", type=int, default=1_000)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="tendies-year-"))
    try:
        rows = measure(root, arguments.archive, arguments.nightly)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    write_result("year_of_partitions", rows, archive=arguments.archive, nightly=arguments.nightly)
    print(as_table(rows))


if __name__ == "__main__":
    main()
