"""Releases good, broken and repeated candidates and checks each outcome itself; for ``test_many_releases.py``."""

from __future__ import annotations

import random
import shutil
from functools import partial
from pathlib import Path

from tendies_ops.errors import TendiesError
from tendies_ops.release import rehearse, release_model
from tendies_ops.spec import ReleaseSpec
from tests.support.broken import KINDS
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.killing import main

OPTIONS = ReleaseSpec(available_timeout_s=20, restore_timeout_s=30, unreachable_grace_s=5, keep_versions=3)
IN_REHEARSAL = partial(rehearse, program=("-m", "tests.support.shift_servable", "--until_stdin_ends"), timeout_s=12.0)
#: By labels no one but the release itself asks the candidate, so it may go without a rehearsal, but must not be waited
#: for in vain, and must not take the one server down.
BY_LABEL = OPTIONS.model_copy(update={"available_timeout_s": 4.0})


def work(number: int, arguments: list[str]) -> None:
    """:param arguments: base path, a directory to work in, the server's address, and its config file or nothing."""
    base, scratch, url, config_file = Path(arguments[0]), Path(arguments[1]), arguments[2], arguments[3]
    name = f"{MODEL_NAME}/labels/stable" if config_file else MODEL_NAME
    kinds = sorted(set(KINDS) - {"crashes_the_loader"}) if config_file else list(KINDS)
    choice = random.Random(number).choice(["good", "good", "good", *kinds])
    source = scratch / "candidate"
    shutil.rmtree(source, ignore_errors=True)
    by = 60 + number % 190 if number >= 0 else 59 + number
    make_candidate(source, by=by, step=number) if choice == "good" else KINDS[choice](source)
    options = BY_LABEL.model_copy(update={"model_config_file": Path(config_file)}) if config_file else OPTIONS
    before = predict(url, picture(6), name)
    try:
        report = release_model(source, base, [url], options=options, check_loads=None if config_file else IN_REHEARSAL)
    except TendiesError as error:
        outcome = f"red: {error}"
        true = choice != "good" and (predict(url, picture(6), name) == before or recovered(base))
    else:
        outcome = f"green: version {report.version}"
        served = max(available_versions(url)) == report.version
        true = choice == "good" and served and predict(url, picture(6), name) == shift(picture(6), by)
    if not true:
        raise AssertionError(f"{choice} ended {outcome}; {available_versions(url)} are loaded now")


def recovered(base: Path) -> bool:
    """Whether this release first finished or undid a killed one, which may change what serves."""
    lines = (base / ".tendies" / "history.jsonl").read_text().splitlines()[-3:]
    return any("was killed" in line for line in lines)


if __name__ == "__main__":
    main(work)
