from __future__ import annotations

import json
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tendies_ops.compare import compare_images
from tendies_ops.errors import NotNowError, ReleaseError, ReviewNeededError, StoppedError, UsageError
from tendies_ops.publish import list_version_dirs, publish_version
from tendies_ops.publish.history import read_history
from tendies_ops.publish.layout import review_directory
from tendies_ops.publish.leases import hold_lease
from tendies_ops.release import reject_model, release_model, review_model
from tendies_ops.release.forward.attempt import swap_breaches
from tendies_ops.spec import ReleaseSpec, read_manifest
from tendies_ops.spec.release_spec import GateSpec, SwapLimits
from tests.support.candidates import make_candidate, picture, shift, write_manifest
from tests.support.watching_server import WatchingServer

QUICK = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)


def gated(**gate: float | bool) -> ReleaseSpec:
    return QUICK.model_copy(update={"gate": GateSpec(**gate)})


@pytest.mark.parametrize(
    ("gate", "words"), [({"max_change": 5.0}, "changed by"), ({"min_ssim": 0.999}, "has SSIM 0.8")]
)
def test_a_candidate_too_far_from_the_live_version_never_becomes_visible(
    tmp_path: Path, base: Path, server: WatchingServer, gate: dict[str, float], words: str
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=gated(**gate))

    with pytest.raises(ReleaseError, match=rf"The gate is closed: .*{words}.*Nothing was changed"):
        release_model(make_candidate(tmp_path / "b", by=17), base, [server.url], options=gated(**gate))

    assert server.loads == [1]
    assert list((base / ".tendies" / "releases").glob("gate-*.png"))


def test_within_the_limits_the_figures_are_in_the_report(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)

    report = release_model(make_candidate(tmp_path / "b", by=11), base, [server.url], options=gated(min_ssim=0.5))

    assert report.gate["live_version"] == 1
    assert 0 < report.gate["images"]["0"]["mean_abs"] < 5
    assert report.swap["failed"] == 0
    assert Path(report.report_path).exists()


def test_a_person_looks_first_and_is_named_in_the_history(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=gated(review=True))
    candidate = make_candidate(tmp_path / "b", by=11)

    with pytest.raises(ReviewNeededError, match=r"gate-.*\.png.*--approved-by"):
        release_model(candidate, base, [server.url], options=gated(review=True))
    report = release_model(candidate, base, [server.url], options=gated(review=True), approved_by="Ada")

    assert report.version == 2
    assert read_history(base)[-1].reason == "approved by Ada"


def test_a_version_that_was_published_past_the_review_is_not_released_without_one(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=gated(review=True))
    candidate = make_candidate(tmp_path / "b", by=11)
    publish_version(candidate, base)

    with pytest.raises(ReviewNeededError, match=r"candidate serves already.*--approved-by"):
        release_model(candidate, base, [server.url], options=gated(review=True))
    report = release_model(candidate, base, [server.url], options=gated(review=True), approved_by="Ada")
    again = release_model(candidate, base, [server.url], options=gated(review=True))

    assert [(r.version, r.state) for r in (report, again)] == [(2, "released"), (2, "already_serving")]


def numbers_instead_of_a_picture(candidate: Path) -> Path:
    """The same candidate, which promises numbers."""
    golden = candidate / "assets.extra" / "tendies_golden"
    entries = []
    for seed in range(2):
        (golden / f"{seed}.out.json").write_text("[0.5]")
        files = {"input": golden / f"{seed}.in.png", "scores": golden / f"{seed}.out.json"}
        names = {name: path.relative_to(candidate).as_posix() for name, path in files.items()}
        entries.append({"name": str(seed), "input": names["input"], "outputs": {"scores": names["scores"]}})
    write_manifest(candidate, golden=entries)
    return candidate


@pytest.mark.parametrize("gate", [{"max_change": 5.0}, {"min_ssim": 0.9}])
def test_limits_for_pictures_are_refused_where_a_model_answers_with_numbers(
    tmp_path: Path, base: Path, server: WatchingServer, gate: dict[str, float]
) -> None:
    candidate = numbers_instead_of_a_picture(make_candidate(tmp_path / "a"))

    with pytest.raises(UsageError, match=rf"{next(iter(gate))}.*compares pictures"):
        release_model(candidate, base, [server.url], options=gated(**gate))
    with pytest.raises(UsageError, match="compares pictures"):
        review_model(candidate, base, [server.url], options=gated(**gate))

    assert list_version_dirs(base) == []


def test_a_model_that_answers_with_numbers_is_approved_by_a_person_too(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)

    with pytest.raises(ReviewNeededError, match=r"does not return pictures"):
        release_model(
            numbers_instead_of_a_picture(make_candidate(tmp_path / "b")),
            base,
            [server.url],
            options=gated(review=True),
        )

    assert server.loads == [1]


def test_the_limits_of_the_swap() -> None:
    swap = {"failed_by_swap": 2, "requests": 50, "failures": ["503"], "during": {"p99_ms": 80.0}, "after": {}}

    assert swap_breaches(SwapLimits(), swap, 9.0) == []
    found = swap_breaches(SwapLimits(max_failed_requests=1, max_p99_ms=50, max_seconds_to_available=5), swap, 9.0)
    assert [words.split()[0] for words in found] == ["2", "p99", "it"]


def test_requests_that_failed_all_along_are_not_attributed_to_the_version_that_fixes_them(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    make_candidate(tmp_path / "a", by=10, answer_error="the graph is broken").rename(base / "1")
    server.wait_until_serving(1)
    strict = QUICK.model_copy(update={"limits": SwapLimits(max_failed_requests=0)})

    report = release_model(make_candidate(tmp_path / "b", by=20, load_s=0.3), base, [server.url], options=strict)

    assert report.version == 2
    assert report.swap["failed"] > 0
    assert report.swap["failed_by_swap"] == 0


def test_a_swap_that_takes_too_long_for_the_spec_is_taken_back(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    strict = QUICK.model_copy(update={"limits": SwapLimits(max_seconds_to_available=0.2)})

    with pytest.raises(ReleaseError, match=r"broke the limits of the spec: it took .*Version 1 serves"):
        release_model(make_candidate(tmp_path / "b", by=20, load_s=0.4), base, [server.url], options=strict)

    assert server.serving() == [1]


def test_a_release_waits_for_a_run_and_then_refuses_rather_than_break_it(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    hurried = QUICK.model_copy(update={"lease_wait_s": 0.2})

    with hold_lease(base, 1, holder="run of tonight"), pytest.raises(NotNowError, match="run of tonight"):
        release_model(make_candidate(tmp_path / "b", by=20), base, [server.url], options=hurried)

    assert server.loads == [1]


def test_a_run_that_began_while_the_candidate_was_copied_and_tried_is_not_broken_either(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    hurried = QUICK.model_copy(update={"lease_wait_s": 0.2})
    run = ExitStack()

    def begin_a_run(_: Path) -> None:
        run.enter_context(hold_lease(base, 1, holder="run of tonight"))

    with run, pytest.raises(ReleaseError, match=r"run of tonight.*nothing was changed"):
        release_model(
            make_candidate(tmp_path / "b", by=20),
            base,
            [server.url],
            options=hurried,
            check_loads=begin_a_run,
        )

    assert server.loads == [1]
    assert sorted(p.name for p in base.iterdir()) == [".tendies", "1"]


def test_a_release_goes_on_when_the_run_is_done(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    said: list[str] = []
    started = threading.Event()

    def run() -> None:
        with hold_lease(base, 1, holder="run of tonight"):
            started.set()
            deadline = time.monotonic() + 10
            while not any("Waiting" in words for words in said) and time.monotonic() < deadline:
                time.sleep(0.01)

    running = threading.Thread(target=run)
    running.start()
    started.wait(10)
    report = release_model(
        make_candidate(tmp_path / "b", by=20), base, [server.url], options=QUICK, on_step=said.append
    )
    running.join()

    assert report.version == 2
    assert any("The batch runs are done" in words for words in said)


def test_being_asked_to_stop_takes_the_candidate_back(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    cancelled = threading.Event()

    def stop_when_published(words: str) -> None:
        if words.startswith("Published"):
            cancelled.set()

    with pytest.raises(StoppedError, match="Version 1 serves"):
        release_model(
            make_candidate(tmp_path / "b", by=20, load_s=5),
            base,
            [server.url],
            options=QUICK,
            cancelled=cancelled,
            on_step=stop_when_published,
        )

    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["1", "2.withdrawn-stopped"]


def test_retention_keeps_what_was_asked_for(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    few = QUICK.model_copy(update={"keep_versions": 2})
    for number in range(1, 5):
        report = release_model(make_candidate(tmp_path / f"{number}", by=number), base, [server.url], options=few)

    assert sorted(p.name for p in base.iterdir() if p.name[0] != ".") == ["3", "4"]
    assert report.notes == ("Removed old versions: 2",)


def test_a_review_shows_the_pictures_and_changes_nothing(tmp_path: Path, base: Path, server: WatchingServer) -> None:
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=QUICK)
    candidate = make_candidate(tmp_path / "b", by=17)

    review = review_model(candidate, base, [server.url], options=gated(max_change=5.0))
    withdrawn = reject_model(candidate, base, rejected_by="Ada", reason="too dark")
    assert reject_model(candidate, base, rejected_by="Ada", reason="too dark") == withdrawn  # the task was tried again

    assert review["live_version"] == 1
    assert len(review["breaches"]) == 2
    assert Path(review["contact_sheet"]).stat().st_size > 1000
    assert server.loads == [1]
    assert read_history(base)[-1].reason == "rejected by Ada: too dark"
    assert not candidate.exists()
    assert read_manifest(withdrawn).model_digest == review["model_digest"]
    kept = review_directory(base, review["model_digest"])
    assert json.loads((kept / "review.json").read_text()) == review
    assert compare_images((kept / "live-1.png").read_bytes(), shift(picture(1), 10)).max_abs == 0
