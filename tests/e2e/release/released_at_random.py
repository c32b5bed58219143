"""Releases good, broken and repeated candidates and checks each outcome itself; for ``test_many_releases.py``."""

from __future__ import annotations

import random
import shutil
from functools import partial
from pathlib import Path

import skimage.metrics  # noqa: F401  # half a second that belongs to no single release

from tendies_ops.errors import TendiesError
from tendies_ops.release import rehearse, release_model
from tendies_ops.spec import ReleaseSpec
from tests.support.broken import KINDS
from tests.support.candidates import make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.killing import main

OPTIONS = ReleaseSpec(available_timeout_s=20, restore_timeout_s=30, unreachable_grace_s=5, keep_versions=3)
IN_REHEARSAL = partial(rehearse, program=("-m", "tests.support.shift_servable", "--until_stdin_ends"), timeout_s=12.0)


def work(number: int, arguments: list[str]) -> None:
    base, scratch, url = Path(arguments[0]), Path(arguments[1]), arguments[2]
    choice = random.Random(number).choice(["good", "good", "good", *KINDS])
    source = scratch / "candidate"
    shutil.rmtree(source, ignore_errors=True)
    by = 60 + number % 190 if number >= 0 else 59 + number
    make_candidate(source, by=by, step=number) if choice == "good" else KINDS[choice](source)
    before = now(url)
    try:
        report = release_model(source, base, [url], options=OPTIONS, check_loads=IN_REHEARSAL)
    except TendiesError as error:
        outcome = f"red: {error}"
        true = choice != "good" and (now(url) == before or recovered(base))
    else:
        outcome = f"green: version {report.version}"
        true = choice == "good" and now(url) == ([report.version], shift(picture(6), by))
    if not true:
        raise AssertionError(f"{choice} ended {outcome}; {before[0]} served before and {now(url)[0]} serves now")


def now(url: str) -> tuple[list[int], bytes]:
    return available_versions(url), predict(url, picture(6))


def recovered(base: Path) -> bool:
    """Whether this release first finished or undid a killed one, which may change what serves."""
    lines = (base / ".tendies" / "history.jsonl").read_text().splitlines()[-3:]
    return any("was killed" in line for line in lines)


if __name__ == "__main__":
    main(work)
