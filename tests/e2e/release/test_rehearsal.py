"""A rehearsal in a server of its own keeps a candidate that answers wrongly from those who use the model."""

from __future__ import annotations

import sys
import threading
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from tendies_ops.errors import LoadFailedError, ProofFailedError, ReleaseError, StoppedError
from tendies_ops.release import release_model
from tendies_ops.release.checks.rehearsal import rehearse
from tendies_ops.spec import ReleaseSpec
from tests.support.broken import KINDS
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.steady_load import SteadyLoad
from tests.support.watching_server import WatchingServer

OPTIONS = ReleaseSpec(available_timeout_s=40, restore_timeout_s=40, unreachable_grace_s=1)
in_rehearsal = partial(rehearse, program=("-m", "tests.support.shift_servable", "--until_stdin_ends"), timeout_s=40.0)


@pytest.mark.parametrize("kind", ["no_variables", "crashes_the_loader"])
def test_no_one_ever_meets_it(tmp_path: Path, base: Path, server: WatchingServer, kind: str) -> None:
    release_model(make_candidate(tmp_path / "good", by=10), base, [server.url], options=OPTIONS)
    loads_before = list(server.loads)

    with SteadyLoad(server.url, MODEL_NAME, picture(5)) as load, pytest.raises(ReleaseError, match="In a rehearsal"):
        release_model(KINDS[kind](tmp_path / kind), base, [server.url], options=OPTIONS, check_loads=in_rehearsal)

    assert load.failures == []
    assert set(load.pictures) == {shift(picture(5), 10)}
    assert server.loads == loads_before
    assert [p.name for p in base.iterdir() if p.name != ".tendies"] == ["1"]


def test_what_a_rehearsal_says_names_the_fault(tmp_path: Path) -> None:
    with pytest.raises(ProofFailedError, match=r"differs from the promised one by up to"):
        in_rehearsal(KINDS["wrong_pixels"](tmp_path / "pixels"))
    with pytest.raises(LoadFailedError, match="Swirl"):
        in_rehearsal(KINDS["unknown_op"](tmp_path / "op"))
    with pytest.raises(LoadFailedError, match="did not answer within 4 s"):
        in_rehearsal(KINDS["slow_load"](tmp_path / "slow"), timeout_s=4.0)


def test_a_good_version_passes_and_leaves_no_process(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    in_rehearsal(make_candidate(tmp_path / "good"))

    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_its_server_ends_when_the_process_that_rehearses_is_killed(tmp_path: Path) -> None:
    candidate = make_candidate(tmp_path / "slow", load_s=60)
    script = (
        "from functools import partial; from pathlib import Path; "
        "from tendies_ops.release.checks.rehearsal import rehearse; "
        f"rehearse(Path({str(candidate)!r}), program=('-m', 'tests.support.shift_servable', '--until_stdin_ends'))"
    )
    rehearsing = psutil.Popen([sys.executable, "-c", script])
    try:
        servers = _wait_for_children(rehearsing)
    finally:
        rehearsing.kill()
        rehearsing.wait()

    _, alive = psutil.wait_procs(servers, timeout=10)

    assert servers
    assert alive == []


def test_it_ends_at_once_when_it_is_asked_to(tmp_path: Path) -> None:
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    started = time.monotonic()

    with pytest.raises(StoppedError, match="nothing was published"):
        in_rehearsal(make_candidate(tmp_path / "slow", load_s=60), timeout_s=60.0, cancelled=cancelled)

    assert time.monotonic() - started < 20


def _wait_for_children(process: psutil.Popen) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if children := process.children():
            return list(children)
        time.sleep(0.05)
    return []
