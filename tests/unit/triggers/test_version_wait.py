from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import ServerUnreachableError, UsageError
from tendies_ops.in_service import BasePathView
from tendies_ops.publish.layout import JOURNAL_NAME, STATE_DIRECTORY
from tendies_ops.publish.unproved import Unproved
from tendies_ops.rest_api.status import ServedVersions, State, VersionStatus
from tendies_ops.triggers.version_wait import Answer, VersionOutcome, WantedVersion

NO_BASE_PATH = BasePathView()


def serving(labelled: int | None = None, **states: State) -> ServedVersions:
    statuses = {int(name[1:]): VersionStatus(int(name[1:]), state) for name, state in states.items()}
    return ServedVersions(statuses, labelled)


def decide(wanted: WantedVersion, base: BasePathView = NO_BASE_PATH, **answers: Answer) -> VersionOutcome:
    return wanted.decide(answers, base)


def test_a_version_is_reached_when_every_replica_serves_it() -> None:
    wanted = WantedVersion(version=7)

    half = decide(wanted, a=serving(v7="AVAILABLE"), b=serving(v6="AVAILABLE", v7="LOADING"))
    whole = decide(wanted, a=serving(v7="AVAILABLE"), b=serving(v7="AVAILABLE"))

    assert (half.state, half.words) == ("waiting", "b: version 7 is LOADING")
    assert (whole.state, whole.version) == ("reached", 7)


def test_newer_than_is_reached_when_every_replica_serves_the_version_in_service() -> None:
    wanted = WantedVersion(newer_than=6)

    assert decide(wanted, a=serving(v6="AVAILABLE", v7="LOADING")).state == "waiting"
    assert decide(wanted, a=serving(v9="AVAILABLE"), b=serving(v7="AVAILABLE")).state == "waiting"
    both = decide(wanted, a=serving(v7="AVAILABLE", v9="AVAILABLE"), b=serving(v7="AVAILABLE"))
    assert (both.state, both.version) == ("reached", 7)


@pytest.mark.parametrize("killed", [False, True])
def test_newer_than_is_not_reached_by_a_candidate_that_has_not_passed_its_proof(killed: bool) -> None:
    base = BasePathView(frozenset({6, 7}), Unproved(7, killed))
    for states in ({"v6": "AVAILABLE", "v7": "AVAILABLE"}, {"v6": "END", "v7": "AVAILABLE"}):
        found = decide(WantedVersion(newer_than=6), base, a=serving(**states))  # type: ignore[arg-type]
        assert found.state == "waiting"
        assert str(base.unproved) in found.words
    assert decide(WantedVersion(newer_than=6), a=serving(7, v7="AVAILABLE")).version == 7


def test_newer_than_follows_the_label_stable() -> None:
    states: dict[str, State] = {"v6": "AVAILABLE", "v7": "AVAILABLE"}
    assert decide(WantedVersion(newer_than=6), a=serving(6, **states)).state == "waiting"
    assert decide(WantedVersion(newer_than=6), a=serving(7, **states), b=serving(6, **states)).state == "waiting"
    assert decide(WantedVersion(newer_than=6), a=serving(7, **states), b=serving(7, **states)).version == 7


def test_a_version_that_a_label_names_and_one_replica_does_not_serve_is_waited_for() -> None:
    found = decide(WantedVersion(newer_than=6), a=serving(7, v7="AVAILABLE"), b=serving(7, v7="LOADING"))
    assert (found.state, "does not serve on b" in found.words) == ("waiting", True)


def test_newer_than_zero_is_any_version_at_all() -> None:
    assert decide(WantedVersion(newer_than=0), a=serving(v1="AVAILABLE")).version == 1


def test_a_load_error_ends_the_wait_and_says_why() -> None:
    failed = ServedVersions({7: VersionStatus(7, "END", "INVALID_ARGUMENT", "no such file")})

    outcome = decide(WantedVersion(version=7), a=serving(v7="LOADING"), b=failed)

    assert outcome.state == "load_failed"
    assert outcome.words == "b: could not load version 7: INVALID_ARGUMENT: no such file"


@pytest.mark.parametrize("wanted", [WantedVersion(version=7), WantedVersion(newer_than=6)])
def test_a_replica_that_does_not_answer_is_waited_for(wanted: WantedVersion) -> None:
    outcome = decide(wanted, a=ServerUnreachableError("nobody answers at a"), b=serving(v7="AVAILABLE"))

    assert (outcome.state, outcome.words) == ("waiting", "a: nobody answers at a")


def test_a_journal_that_cannot_be_read_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / STATE_DIRECTORY).mkdir()
    (tmp_path / STATE_DIRECTORY / JOURNAL_NAME).write_text("half")
    outcome = WantedVersion(newer_than=6).look({"a": serving(v7="AVAILABLE")}, str(tmp_path))
    assert outcome.state == "waiting"
    assert JOURNAL_NAME in outcome.words


def test_no_replica_at_all_never_counts_as_reached() -> None:
    assert decide(WantedVersion(version=7)).state == "waiting"
    assert decide(WantedVersion(newer_than=0)).state == "waiting"


@pytest.mark.parametrize(("version", "newer_than"), [(None, None), (1, 1)])
def test_both_or_neither_is_refused(version: int | None, newer_than: int | None) -> None:
    with pytest.raises(UsageError, match="Give either the version"):
        WantedVersion(version, newer_than)
