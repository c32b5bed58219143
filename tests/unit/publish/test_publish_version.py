from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from tendies_ops.errors import BasePathMissingError, PublishError, StoppedError
from tendies_ops.publish import lock, publish_version
from tendies_ops.publish.history import read_history
from tendies_ops.publish.layout import STATE_DIRECTORY
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.spec.manifest import read_manifest, verify_files
from tests.support.candidates import make_candidate


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    path.mkdir()
    return path


def leftovers(base: Path) -> list[str]:
    state = base / STATE_DIRECTORY
    return [p.name for p in [*base.iterdir(), *state.iterdir()] if p.name.startswith(".") and p != state]


def test_a_published_version_is_whole_and_written_into_the_history(tmp_path: Path, base: Path) -> None:
    published = publish_version(make_candidate(tmp_path / "a", step=250), base)

    assert (published.version, published.created, published.path) == (1, True, base / "1")
    verify_files(published.path, read_manifest(published.path))
    [record] = read_history(base)
    assert (record.event, record.version, record.checkpoint_step) == ("published", 1, 250)
    assert record.who
    assert leftovers(base) == []


def test_the_same_content_again_says_which_version_has_it(tmp_path: Path, base: Path) -> None:
    candidate = make_candidate(tmp_path / "a")
    publish_version(candidate, base)
    publish_version(make_candidate(tmp_path / "b", by=20), base)

    again = publish_version(candidate, base)

    assert (again.version, again.created) == (1, False)


def test_a_damaged_version_does_not_count_as_the_same_content(tmp_path: Path, base: Path) -> None:
    candidate = make_candidate(tmp_path / "a")
    first = publish_version(candidate, base)
    (first.path / "saved_model.pb").write_bytes(b"graqh")

    assert publish_version(candidate, base).version == 2


def test_a_source_that_is_not_what_its_manifest_says_is_refused_and_leaves_nothing(tmp_path: Path, base: Path) -> None:
    candidate = make_candidate(tmp_path / "a")
    (candidate / "variables" / "variables.index").write_bytes(b"")

    with pytest.raises(PublishError, match=r"variables/variables\.index"):
        publish_version(candidate, base)

    assert leftovers(base) == []
    assert not (base / "1").exists()


def test_a_version_that_does_not_load_is_refused_and_leaves_nothing(tmp_path: Path, base: Path) -> None:
    def refuse(saved_model_dir: Path) -> None:
        assert saved_model_dir.parent == base
        raise PublishError("it does not load")

    with pytest.raises(PublishError, match="it does not load"):
        publish_version(make_candidate(tmp_path / "a"), base, check_loads=refuse)

    assert leftovers(base) == []
    assert not (base / "1").exists()


def test_a_number_that_was_withdrawn_or_is_only_in_the_history_is_not_used_again(tmp_path: Path, base: Path) -> None:
    (base / "7.withdrawn-load-failed").mkdir()
    assert publish_version(make_candidate(tmp_path / "a"), base).version == 8

    publish_version(make_candidate(tmp_path / "b", by=20), base).path.rename(tmp_path / "gone")

    assert publish_version(make_candidate(tmp_path / "c", by=30), base).version == 10


def test_a_history_line_cut_short_by_a_kill_costs_only_itself(tmp_path: Path, base: Path) -> None:
    publish_version(make_candidate(tmp_path / "a"), base)
    with (base / STATE_DIRECTORY / "history.jsonl").open("a") as stream:
        stream.write('{"event": "publi')

    publish_version(make_candidate(tmp_path / "b", by=20), base)

    assert [record.version for record in read_history(base)] == [1, 2]


def test_leftovers_of_killed_publishers_are_removed(tmp_path: Path, base: Path) -> None:
    for name in (".tendies-staging-dead", ".tendies-trash-dead"):
        (base / name / "variables").mkdir(parents=True)
    (base / STATE_DIRECTORY).mkdir()
    (base / STATE_DIRECTORY / ".lock.dead.part").write_text("")

    publish_version(make_candidate(tmp_path / "a"), base)

    assert leftovers(base) == []


def test_staging_of_a_live_publisher_is_left_alone_until_it_is_done(
    tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_POLL_S", 0.01)
    inside, go_on = threading.Event(), threading.Event()
    staged: list[Path] = []

    def wait(staging: Path) -> None:
        staged.append(staging)
        inside.set()
        assert go_on.wait(10)

    slow = threading.Thread(
        target=publish_version, args=(make_candidate(tmp_path / "a"), base), kwargs={"check_loads": wait}
    )
    slow.start()
    assert inside.wait(10)
    fast = threading.Thread(target=publish_version, args=(make_candidate(tmp_path / "b", by=20), base))
    fast.start()
    fast.join(0.1)
    alive = staged[0].is_dir() and fast.is_alive()
    go_on.set()
    slow.join(10)
    fast.join(10)

    assert alive
    assert sorted(p.name for p in base.iterdir() if p.name.isdigit()) == ["1", "2"]


def test_whoever_may_read_the_base_path_may_read_the_version(tmp_path: Path, base: Path) -> None:
    base.chmod(0o755)
    before = os.umask(0o077)
    try:
        path = publish_version(make_candidate(tmp_path / "a"), base).path
    finally:
        os.umask(before)

    assert stat.S_IMODE((path / "variables").stat().st_mode) == 0o755
    assert stat.S_IMODE((path / "saved_model.pb").stat().st_mode) == 0o644


def test_a_pipe_inside_the_source_is_refused_and_does_not_hang(tmp_path: Path, base: Path) -> None:
    candidate = make_candidate(tmp_path / "a")
    os.mkfifo(candidate / "pipe")

    with pytest.raises(PublishError, match="pipe is not a regular file"):
        publish_version(candidate, base)


def test_a_base_path_below_nothing_is_a_typing_error(tmp_path: Path) -> None:
    with pytest.raises(BasePathMissingError, match="Neither the model base path"):
        publish_version(make_candidate(tmp_path / "a"), tmp_path / "modles" / "stripes")


def test_a_directory_without_a_manifest_is_refused(tmp_path: Path, base: Path) -> None:
    (tmp_path / "a").mkdir()

    with pytest.raises(PublishError, match="tendies export"):
        publish_version(tmp_path / "a", base)


def test_stopping_while_waiting_for_the_lock_publishes_nothing(tmp_path: Path, base: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()

    with lock_base_path(base, purpose="test"), pytest.raises(StoppedError):
        publish_version(make_candidate(tmp_path / "a"), base, cancelled=cancelled)

    assert not (base / "1").exists()


def test_the_manifest_travels_with_the_version(tmp_path: Path, base: Path) -> None:
    candidate = make_candidate(tmp_path / "a")

    path = publish_version(candidate, base).path

    assert json.loads((path / "assets.extra/tendies.json").read_text()) == json.loads(
        (candidate / "assets.extra/tendies.json").read_text()
    )
