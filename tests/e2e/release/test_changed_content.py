"""A version directory that someone changes in place, under a server that has loaded what it held before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tendies_ops.errors import NotNowError, ReleaseError
from tendies_ops.publish import publish_version
from tendies_ops.publish.leases import hold_lease
from tendies_ops.release import list_versions, release_model, rollback_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import MODEL_NAME, make_candidate, picture, shift
from tests.support.independent_checker import available_versions, predict
from tests.support.watching_server import WatchingServer

OPTIONS = ReleaseSpec(available_timeout_s=30, restore_timeout_s=30, unreachable_grace_s=5)


def overwrite(version_dir: Path, candidate: Path) -> None:
    """As rsync into the version directory does."""
    shutil.copytree(candidate, version_dir, dirs_exist_ok=True)


@pytest.mark.parametrize("way", ["released", "published", "copied"])
def test_content_that_was_copied_over_a_serving_version_is_released_under_a_new_number(
    tmp_path: Path, base: Path, server: WatchingServer, way: str
) -> None:
    first, second = make_candidate(tmp_path / "a", by=10), make_candidate(tmp_path / "b", by=20)
    if way == "released":
        release_model(first, base, [server.url], options=OPTIONS)
    elif way == "published":
        publish_version(first, base)
    else:
        shutil.copytree(first, base / "1")
    server.wait_until_serving(1)
    overwrite(base / "1", second)

    report = release_model(second, base, [server.url], options=OPTIONS)

    assert (report.state, report.version) == ("released", 2)
    assert any("Version 1" in note and "changed" in note for note in report.notes)
    assert predict(server.url, picture(6), MODEL_NAME) == shift(picture(6), 20)


def test_a_serving_version_with_damaged_files_is_named_and_its_content_gets_a_new_number(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    candidate = make_candidate(tmp_path / "a", by=10)
    release_model(candidate, base, [server.url], options=OPTIONS)
    (base / "1" / "variables" / "variables.index").write_bytes(b"damaged")

    report = release_model(candidate, base, [server.url], options=OPTIONS)

    assert report.version == 2
    assert any("Version 1" in note and "variables/variables.index" in note for note in report.notes)
    assert available_versions(server.url) == [2]


def test_a_publish_of_content_that_was_copied_over_a_version_gets_a_new_number(tmp_path: Path, base: Path) -> None:
    second = make_candidate(tmp_path / "b", by=20)
    publish_version(make_candidate(tmp_path / "a", by=10), base)
    overwrite(base / "1", second)

    published = publish_version(second, base)

    assert (published.version, published.created) == (2, True)


def test_a_release_of_changed_content_waits_for_the_runs_that_use_what_the_server_has_loaded(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    second = make_candidate(tmp_path / "b", by=20)
    release_model(make_candidate(tmp_path / "a", by=10), base, [server.url], options=OPTIONS)
    overwrite(base / "1", second)
    hurried = OPTIONS.model_copy(update={"lease_wait_s": 0.2})

    with hold_lease(base, 1, holder="run of tonight"), pytest.raises(NotNowError, match="run of tonight"):
        release_model(second, base, [server.url], options=hurried)

    assert available_versions(server.url) == [1]


def test_a_rollback_does_not_go_to_a_version_whose_content_was_changed(
    tmp_path: Path, base: Path, server: WatchingServer
) -> None:
    for number in (1, 2, 3):
        release_model(make_candidate(tmp_path / f"{number}", by=number * 10), base, [server.url], options=OPTIONS)
    overwrite(base / "2", make_candidate(tmp_path / "other", by=77))

    with pytest.raises(ReleaseError, match=r"Version 2 .*was changed after it was published.*Nothing was changed"):
        rollback_model(base, [server.url], to_version=2, options=OPTIONS)
    assert available_versions(server.url) == [3]

    assert rollback_model(base, [server.url], options=OPTIONS).version == 1


@pytest.mark.parametrize("damage", ["other content", "a file"])
def test_the_list_of_versions_does_not_say_that_a_server_serves_what_the_disk_holds_now(
    tmp_path: Path, base: Path, server: WatchingServer, damage: str
) -> None:
    report = release_model(make_candidate(tmp_path / "a", by=10, step=7), base, [server.url], options=OPTIONS)
    if damage == "a file":
        (base / "1" / "saved_model.pb").write_bytes(b"damaged")
    else:
        overwrite(base / "1", make_candidate(tmp_path / "b", by=20, step=8))

    [entry] = list_versions(base, [server.url]).versions

    assert entry.state.startswith("changed on the disk")
    assert (entry.model_digest, entry.checkpoint_step) == (report.model_digest, 7)
    assert entry.serving_on == (server.url,)
