from __future__ import annotations

from tendies_ops.errors import ServerSickError, ServerUnreachableError, VersionGoneError
from tendies_ops.release.replicas.wait import VersionWait
from tendies_ops.rest_api.status import State, VersionStatus

SILENT = ServerUnreachableError("nothing listens there")


def statuses(**states: State) -> dict[int, VersionStatus]:
    return {int(name[1:]): VersionStatus(int(name[1:]), state) for name, state in states.items()}


def test_available_ends_the_wait() -> None:
    outcome = VersionWait(7, started_s=10.0, timeout_s=60).on_statuses(statuses(v7="AVAILABLE", v6="END"), now_s=12.5)

    assert (outcome.kind, outcome.at_s) == ("serving", 2.5)


def test_a_load_error_ends_the_wait_and_says_why() -> None:
    failed = {7: VersionStatus(7, "END", "NOT_FOUND", "no such file")}

    outcome = VersionWait(7, started_s=0, timeout_s=60).on_statuses(failed, now_s=1)

    assert (outcome.kind, outcome.words) == ("load_failed", "NOT_FOUND: no such file")


def test_an_old_entry_of_the_same_version_that_was_unloaded_is_no_failure() -> None:
    outcome = VersionWait(6, started_s=0, timeout_s=60).on_statuses(statuses(v6="END", v7="AVAILABLE"), now_s=1)

    assert outcome.kind == "waiting"


def test_while_a_higher_version_still_answers_the_lower_one_does_not_serve() -> None:
    both = statuses(v7="AVAILABLE", v6="AVAILABLE")

    assert VersionWait(6, started_s=0, timeout_s=60).on_statuses(both, now_s=1).kind == "waiting"
    assert VersionWait(6, started_s=0, timeout_s=60, highest=False).on_statuses(both, now_s=1).kind == "serving"


def test_loading_for_ever_ends_at_the_deadline_with_the_state_in_words() -> None:
    wait = VersionWait(7, started_s=100, timeout_s=60)

    assert wait.on_statuses(statuses(v7="LOADING"), now_s=159.9).kind == "waiting"
    outcome = wait.on_statuses(statuses(v7="LOADING"), now_s=160)
    assert (outcome.kind, outcome.words) == ("timed_out", "after 60 s: LOADING")


def test_a_version_that_waits_behind_another_load_says_so() -> None:
    outcome = VersionWait(8, started_s=0, timeout_s=60).on_statuses(statuses(v7="LOADING", v6="AVAILABLE"), now_s=1)

    assert "still loading version 7" in outcome.words
    assert "--max_num_load_retries=0" in outcome.words


def test_a_server_that_does_not_see_a_version_is_asked_about_its_base_path_after_some_polls() -> None:
    wait = VersionWait(8, started_s=0, timeout_s=60)

    assert wait.on_statuses(statuses(v6="AVAILABLE"), now_s=1).words == "not seen by the server yet"
    late = wait.on_statuses(statuses(v6="AVAILABLE"), now_s=10)
    assert "does it watch this model base path?" in late.words


def test_a_closed_port_is_normal_until_the_first_version_is_loaded() -> None:
    wait = VersionWait(1, started_s=0, timeout_s=60, unreachable_grace_s=5)

    assert wait.on_error(SILENT, now_s=50).kind == "waiting"
    assert wait.on_error(SILENT, now_s=61).kind == "silent"


def test_a_replica_that_answered_and_falls_silent_has_crashed_after_its_grace() -> None:
    wait = VersionWait(7, started_s=0, timeout_s=60, unreachable_grace_s=5)
    wait.on_statuses(statuses(v6="AVAILABLE", v7="LOADING"), now_s=10)

    assert wait.on_error(SILENT, now_s=14).kind == "waiting"
    outcome = wait.on_error(SILENT, now_s=15)
    assert outcome.kind == "crashed"
    assert "has been unreachable for 5 s" in outcome.words


def test_a_replica_that_never_answered_has_not_crashed_and_gets_the_same_grace() -> None:
    wait = VersionWait(7, started_s=0, timeout_s=60, unreachable_grace_s=5, answered_before=False)

    assert wait.on_error(SILENT, now_s=4).kind == "waiting"
    outcome = wait.on_error(SILENT, now_s=5)
    assert outcome.kind == "silent"
    assert "answered before" not in outcome.words


def test_a_server_that_answers_with_errors_until_the_deadline_is_not_called_silent() -> None:
    wait = VersionWait(7, started_s=0, timeout_s=60)

    assert wait.on_error(ServerSickError("503", http_status=503), now_s=61).kind == "timed_out"


def test_a_server_that_is_busy_or_knows_no_version_yet_has_not_crashed() -> None:
    wait = VersionWait(7, started_s=0, timeout_s=60, unreachable_grace_s=5, answered_before=True)

    assert wait.on_error(ServerSickError("too slow"), now_s=30).kind == "waiting"
    assert wait.on_error(VersionGoneError("none yet"), now_s=40).kind == "waiting"
