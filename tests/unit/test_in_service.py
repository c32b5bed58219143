"""Which version is in service, by what servers and base path tell."""

from __future__ import annotations

import pytest

from tendies_ops.in_service import BasePathView, look_at_base_path, version_in_service
from tendies_ops.publish.unproved import Unproved
from tendies_ops.rest_api.status import ServedVersions, State, VersionStatus, highest_serving

OUT_OF_SIGHT = BasePathView()


def server(labelled: int | None = None, **states: State) -> ServedVersions:
    statuses = {int(name[1:]): VersionStatus(int(name[1:]), state) for name, state in states.items()}
    return ServedVersions(statuses, labelled)


def proving(version: int, *, killed: bool = False, there: tuple[int, ...] = (1, 2)) -> BasePathView:
    return BasePathView(frozenset(there), Unproved(version, killed))


def test_the_label_decides_whatever_else_is_available() -> None:
    found = version_in_service([server(1, v1="AVAILABLE", v2="AVAILABLE")], OUT_OF_SIGHT)
    assert (found.version, found.why) == (1, "the label stable names it")


def test_the_lower_version_counts_while_a_label_is_moved() -> None:
    servers = [server(2, v1="AVAILABLE", v2="AVAILABLE"), server(1, v1="AVAILABLE", v2="AVAILABLE")]
    found = version_in_service(servers, OUT_OF_SIGHT)
    assert found.version == 1
    assert "version 2 on others" in found.why


def test_one_server_that_knows_the_label_decides_for_those_that_do_not_yet() -> None:
    assert version_in_service([server(v2="AVAILABLE"), server(1, v1="AVAILABLE")], OUT_OF_SIGHT).version == 1


def test_without_a_label_the_highest_version_that_all_have_available_is_in_service() -> None:
    servers = [server(v1="AVAILABLE", v2="AVAILABLE"), server(v1="AVAILABLE", v2="LOADING")]
    assert version_in_service(servers, BasePathView(frozenset({1, 2}))).version == 1


@pytest.mark.parametrize("killed", [False, True])
def test_a_version_that_a_release_is_proving_or_has_left_unproved_is_not_in_service(killed: bool) -> None:
    found = version_in_service([server(v1="AVAILABLE", v2="AVAILABLE")], proving(2, killed=killed))
    assert found.version == 1
    assert f"; {Unproved(2, killed)}" in found.why


@pytest.mark.parametrize("killed", [False, True])
def test_where_only_the_candidate_is_available_nothing_is_in_service_until_its_release_ends(killed: bool) -> None:
    found = version_in_service([server(v1="END", v2="AVAILABLE")], proving(2, killed=killed))
    assert (found.version, found.settles) == (None, not killed)
    assert found.why.startswith(str(Unproved(2, killed)))


def test_a_version_whose_directory_is_gone_is_not_in_service_although_it_still_answers() -> None:
    found = version_in_service([server(v2="AVAILABLE")], BasePathView(frozenset({1})))
    assert (found.version, found.settles) == (None, True)


def test_without_a_base_path_the_answer_says_that_a_candidate_cannot_be_told_apart() -> None:
    found = version_in_service([server(v2="AVAILABLE")], OUT_OF_SIGHT)
    assert found.version == 2
    assert "not visible from here" in found.why


def test_servers_without_a_version_in_common_have_none_in_service() -> None:
    found = version_in_service([server(v1="AVAILABLE"), server(v2="AVAILABLE")], OUT_OF_SIGHT)
    assert (found.version, found.settles) == (None, False)


def test_a_base_path_that_is_not_there_is_out_of_sight(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("base")
    assert look_at_base_path(None) == look_at_base_path(folder / "none") == look_at_base_path(folder) == OUT_OF_SIGHT
    (folder / "3").mkdir()
    assert look_at_base_path(folder) == BasePathView(frozenset({3}))


def test_the_highest_serving_version_ignores_those_that_load_or_have_ended() -> None:
    assert highest_serving(server(v4="LOADING", v3="AVAILABLE", v2="AVAILABLE", v1="END").statuses) == 3
    assert highest_serving({}) is None
