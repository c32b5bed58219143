"""Versions in an object store, which has no rename: claimed, whole, and never half-visible."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tendies_ops.errors import PublishError
from tendies_ops.publish.publish_to_store import publish_to_store
from tests.support.candidates import make_candidate

URL = "memory://models/stripes"


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


class WrittenInOrder:
    """Notes the order in which objects are written; may break one of them, or write it changed."""

    def __init__(
        self,
        files: fsspec.AbstractFileSystem,
        monkeypatch: pytest.MonkeyPatch,
        *,
        fail_at: str = "",
        change_at: str = "",
    ) -> None:
        self.names: list[str] = []
        self._fail_at, self._change_at, self._really = fail_at, change_at, type(files).pipe_file

        def pipe_file(files: fsspec.AbstractFileSystem, path: str, data: bytes, **more: object) -> None:
            self._write(files, path, data, **more)

        monkeypatch.setattr(type(files), "pipe_file", pipe_file)

    def _write(self, files: fsspec.AbstractFileSystem, path: str, data: bytes, **more: object) -> None:
        if self._fail_at and path.endswith(self._fail_at):
            raise PermissionError(f"no right to write {path}")
        self.names.append(path)
        changed = self._change_at and path.endswith(self._change_at)
        self._really(files, path, data[:-1] if changed else data, **more)


def test_a_version_is_whole_and_saved_model_pb_is_its_last_file(
    tmp_path: Path, store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = WrittenInOrder(store, monkeypatch)
    candidate = make_candidate(tmp_path / "a")

    published = publish_to_store(candidate, URL)

    assert (published.version, published.url, published.created) == (1, f"{URL}/1", True)
    assert written.names[0].endswith("/.tendies/claims/1")
    assert written.names[-1] == "/models/stripes/1/saved_model.pb"
    files = [path for path in candidate.rglob("*") if path.is_file()]
    for path in files:
        assert store.cat_file(f"/models/stripes/1/{path.relative_to(candidate).as_posix()}") == path.read_bytes()


def test_the_same_content_is_no_new_version_and_other_content_is(
    tmp_path: Path, store: fsspec.AbstractFileSystem
) -> None:
    publish_to_store(make_candidate(tmp_path / "a", by=1), URL)
    again = publish_to_store(make_candidate(tmp_path / "again", by=1), URL)
    other = publish_to_store(make_candidate(tmp_path / "b", by=2), URL)
    assert (again.version, again.created) == (1, False)
    assert (other.version, other.created) == (2, True)


def test_what_was_left_half_written_is_never_a_version_and_its_number_is_not_used_again(
    tmp_path: Path, store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        WrittenInOrder(store, broken, fail_at="variables.index")
        with pytest.raises(PublishError, match="takes the next number"):
            publish_to_store(make_candidate(tmp_path / "a"), URL)
    assert not store.exists("/models/stripes/1/saved_model.pb")
    assert publish_to_store(make_candidate(tmp_path / "again"), URL).version == 2


def test_a_number_that_somebody_claimed_is_passed_over(tmp_path: Path, store: fsspec.AbstractFileSystem) -> None:
    store.pipe_file("/models/stripes/.tendies/claims/1", b"")
    assert publish_to_store(make_candidate(tmp_path / "a"), URL).version == 2


def test_missing_credentials_are_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs = pytest.importorskip("s3fs")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()

    with pytest.raises(PublishError, match=r"cannot be read or written: NoCredentialsError: Unable to locate"):
        publish_to_store(make_candidate(tmp_path / "a"), "s3://models/stripes")
    s3fs.S3FileSystem.clear_instance_cache()


def test_what_the_store_gives_back_changed_is_no_version(
    tmp_path: Path, store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = make_candidate(tmp_path / "a")
    with monkeypatch.context() as broken:
        WrittenInOrder(store, broken, change_at="saved_model.pb")
        with pytest.raises(PublishError, match="does not hold what was written"):
            publish_to_store(candidate, URL)

    published = publish_to_store(candidate, URL)

    assert (published.version, published.created) == (2, True)
    assert not store.exists("/models/stripes/1/saved_model.pb")


def test_a_candidate_that_is_not_what_its_manifest_says_is_refused(
    tmp_path: Path, store: fsspec.AbstractFileSystem
) -> None:
    candidate = make_candidate(tmp_path / "a")
    (candidate / "fake.json").write_text(json.dumps({"by": 99}))
    with pytest.raises(PublishError):
        publish_to_store(candidate, URL)
    assert not store.exists("/models/stripes/1")
