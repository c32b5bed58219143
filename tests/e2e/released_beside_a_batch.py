"""Releases candidates, every third with wrong pixels; for ``test_batch_beside_releases.py``, which kills some."""

from __future__ import annotations

import shutil
from pathlib import Path

from tendies_ops.errors import ReleaseError
from tendies_ops.release import release_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import make_candidate
from tests.support.killing import main

BAD_BY = 200  #: what bad candidates add; good ones add less
_OPTIONS = ReleaseSpec(
    available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5, keep_versions=3, lease_wait_s=60
)


def work(number: int, arguments: list[str]) -> None:
    """:param arguments: base path, a directory to work in, the server's address, and its config file or nothing."""
    base, scratch, url, config_file = Path(arguments[0]), Path(arguments[1]), arguments[2], arguments[3]
    bad = number % 3 == 1
    source = scratch / "candidate"
    shutil.rmtree(source, ignore_errors=True)
    by = BAD_BY if bad else 20 + number % 150
    make_candidate(source, by=by, promised_by=by + 7 if bad else by, step=number, answer_s=0.05)
    options = _OPTIONS.model_copy(update={"model_config_file": Path(config_file)}) if config_file else _OPTIONS
    try:
        release_model(source, base, [url], options=options)
    except ReleaseError:
        if not bad:
            raise
    else:
        assert not bad, f"candidate {number} has wrong pixels and was released"


if __name__ == "__main__":
    main(work)
