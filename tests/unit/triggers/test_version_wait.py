from __future__ import annotations

import pytest

from tendies_ops.errors import ServerUnreachableError, UsageError
from tendies_ops.rest_api.status import State, VersionStatus
from tendies_ops.triggers.version_wait import WantedVersion


def serving(**states: State) -> dict[int, VersionStatus]:
    return {int(name[1:]): VersionStatus(int(name[1:]), state) for name, state in states.items()}


def test_a_version_is_reached_when_every_replica_serves_it() -> None:
    wanted = WantedVersion(version=7)

    half = wanted.decide({"a": serving(v7="AVAILABLE"), "b": serving(v6="AVAILABLE", v7="LOADING")})
    whole = wanted.decide({"a": serving(v7="AVAILABLE"), "b": serving(v7="AVAILABLE")})

    assert (half.state, half.words) == ("waiting", "b: version 7 is LOADING")
    assert (whole.state, whole.version) == ("reached", 7)


def test_newer_than_takes_what_every_replica_has_reached() -> None:
    wanted = WantedVersion(newer_than=6)

    assert wanted.decide({"a": serving(v6="AVAILABLE", v7="LOADING")}).state == "waiting"
    assert wanted.decide({"a": serving(v9="AVAILABLE"), "b": serving(v7="AVAILABLE")}).version == 7


def test_newer_than_zero_is_any_version_at_all() -> None:
    assert WantedVersion(newer_than=0).decide({"a": serving(v1="AVAILABLE")}).version == 1


def test_a_load_error_ends_the_wait_and_says_why() -> None:
    failed = {7: VersionStatus(7, "END", "INVALID_ARGUMENT", "no such file")}

    outcome = WantedVersion(version=7).decide({"a": serving(v7="LOADING"), "b": failed})

    assert outcome.state == "load_failed"
    assert outcome.words == "b: could not load version 7: INVALID_ARGUMENT: no such file"


def test_a_replica_that_does_not_answer_is_waited_for() -> None:
    outcome = WantedVersion(version=7).decide({"a": ServerUnreachableError("nobody answers at a")})

    assert (outcome.state, outcome.words) == ("waiting", "a: nobody answers at a")


def test_no_replica_at_all_never_counts_as_reached() -> None:
    assert WantedVersion(version=7).decide({}).state == "waiting"


@pytest.mark.parametrize(("version", "newer_than"), [(None, None), (1, 1)])
def test_both_or_neither_is_refused(version: int | None, newer_than: int | None) -> None:
    with pytest.raises(UsageError, match="either which version"):
        WantedVersion(version, newer_than)
