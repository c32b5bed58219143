from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tendies_ops.errors import StoppedError
from tendies_ops.release.context import ReleaseContext, Terms, open_context
from tendies_ops.release.record.journal import Phase
from tendies_ops.spec import ReleaseSpec, read_manifest
from tests.support.candidates import make_candidate


@pytest.fixture
def told_to_stop(tmp_path: Path) -> Iterator[ReleaseContext]:
    """A release that someone stops; of its servers no one is asked anything."""
    (tmp_path / "base").mkdir()
    terms = Terms(ReleaseSpec(), threading.Event(), None, 1.0)
    with open_context(tmp_path / "base", ["http://127.0.0.1:9"], "stripes", terms, purpose="test") as ctx:
        assert terms.cancelled is not None
        terms.cancelled.set()
        yield ctx


@pytest.mark.parametrize(
    ("phase", "stops"),
    [("available", True), ("rolling_back", True), ("withdrawing", False), ("restoring", False)],
)
def test_what_takes_something_back_goes_on_when_it_is_asked_to_stop(
    tmp_path: Path, told_to_stop: ReleaseContext, phase: Phase, stops: bool
) -> None:
    manifest = read_manifest(make_candidate(tmp_path / "a"))
    told_to_stop.begin(phase, manifest, 2, 1)

    if stops:
        with pytest.raises(StoppedError):
            told_to_stop.journal.stop_if_cancelled()
    else:
        told_to_stop.journal.stop_if_cancelled()
