"""Files that are cut short, absurd or made to harm end in one sentence, in bounded memory, and nothing is run."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import pytest

from tendies_ops.errors import TendiesError, UsageError
from tendies_ops.model_files import archives, inspect_model
from tests.support.protos import field, graph, node, varint

TABLE_END = (0xDB4775248B80FB57).to_bytes(8, "little")


def test_a_picture_or_a_text_is_named_as_no_model(tmp_path: Path) -> None:
    for name, content in (("a.png", b"\x89PNG\r\n\x1a\n"), ("notes.txt", b"hello"), ("empty.ckpt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UsageError, match="not a model of any format"):
            inspect_model(tmp_path / name)


def test_a_path_that_is_not_there_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no checkpoint"):
        inspect_model(tmp_path / "absent")
    with pytest.raises(UsageError, match="holds no checkpoint"):
        inspect_model(tmp_path)


def test_a_saved_model_that_is_cut_short_is_distinguished_from_a_foreign_file(tmp_path: Path) -> None:
    whole = b"\x08\x01" + field(2, field(2, graph(node("a", "Const"))))
    (tmp_path / "saved_model.pb").write_bytes(whole[:-3])
    with pytest.raises(UsageError, match="cut short"):
        inspect_model(tmp_path)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("name", ["net.pth", "model.ckpt", "weights.pkl"])
def test_a_pickle_is_named_and_never_loaded(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Trap(str(tmp_path / "sprung")), protocol=2))
    assert inspect_model(tmp_path / name).kind is None
    assert not (tmp_path / "sprung").exists()


def test_a_keras_archive_whose_configuration_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        with archive.open("config.json", "w") as stream:
            for _ in range(65):
                stream.write(bytes(1024 * 1024))
    with pytest.raises(UsageError, match="larger than 64 MiB"):
        inspect_model(tmp_path / "bomb.keras")


def test_a_configuration_of_endless_brackets_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "deep.keras", "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "[" * 200_000)
    with pytest.raises(UsageError):
        inspect_model(tmp_path / "deep.keras")


def test_of_a_packed_tar_only_the_beginning_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "bomb.tar.gz", "w:gz") as tar:
        for name, size in (("zeros", 3_000_000), ("saved_model.pb", 1)):
            member = tarfile.TarInfo(name)
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
    assert inspect_model(tmp_path / "bomb.tar.gz").format == "an archive that holds a SavedModel at saved_model.pb"
    monkeypatch.setattr(archives, "_MOST_BYTES", 1_000_000)
    assert inspect_model(tmp_path / "bomb.tar.gz").format == "an archive"


def test_a_table_with_absurd_offsets_is_refused(tmp_path: Path) -> None:
    footer = (varint(0) + varint(0) + varint(1 << 60) + varint(1 << 60)).ljust(40, b"\0") + TABLE_END
    (tmp_path / "model.ckpt-1.index").write_bytes(footer)
    (tmp_path / "model.ckpt-1.data-00000-of-00001").write_bytes(b"")
    with pytest.raises(UsageError, match="cut short"):
        inspect_model(tmp_path / "model.ckpt-1")


@pytest.mark.parametrize(
    "name", ["a.pb", "saved_model.pb", "a.meta", "a.h5", "a.keras", "a.ckpt", "a.onnx", "model.json"]
)
def test_noise_under_any_name_ends_in_a_sentence(name: str, tmp_path: Path) -> None:
    noise = random.Random(name)
    for start in (b"", b"\x0a\x10", b"\x08\x01\x12\x20", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"{", b"\x1f\x8b"):
        for end in (b"", TABLE_END):
            (tmp_path / name).write_bytes(start + noise.randbytes(300) + end)
            with contextlib.suppress(TendiesError):
                inspect_model(tmp_path / name)


def test_a_tensorflow_js_folder_and_an_archive_of_keras_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"format": "graph-model", "weightsManifest": []}))
    found = inspect_model(tmp_path)
    assert found.kind is None
    assert "tfjs_graph_converter" in found.advice
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("export/my.keras", "x")
    assert inspect_model(tmp_path / "all.zip").format == "an archive that holds a Keras model at export/my.keras"
