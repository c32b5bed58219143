"""Files of other frameworks are named for what they are, and those that TensorFlow and Keras write pass."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tendies_ops.errors import SpecError
from tendies_ops.export.sources.foreign_formats import recognise_foreign, refuse_foreign

ONNX = b"\x08\x08\x12\x07pytorch\x3a\x03\x12\x01g\x42\x04\x0a\x00\x10\x11"


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, "{}")
    return stream.getvalue()


def numpy_file() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, kernel=np.zeros(3))
    return stream.getvalue()


def tar_file(mode: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as file:  # type: ignore[call-overload]
        file.addfile(tarfile.TarInfo("saved_model/saved_model.pb"))
    return stream.getvalue()


def tfjs(form: str) -> bytes:
    return json.dumps({"format": form, "modelTopology": {}, "weightsManifest": []}).encode()


FILES = [
    ("net.onnx", ONNX, "ONNX"),
    ("net", ONNX, "ONNX"),
    ("net.tflite", struct.pack("<I", 28) + b"TFL3" + bytes(100), "TensorFlow Lite"),
    ("net.bin", struct.pack("<I", 28) + b"TFL3" + bytes(100), "TensorFlow Lite"),
    ("net.pth", archive("net/data.pkl", "net/version"), "PyTorch"),
    ("lightning.ckpt", archive("lightning/data.pkl"), "PyTorch"),
    ("old.pt", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02", "PyTorch"),
    ("net.safetensors", struct.pack("<Q", 2) + b"{}" + bytes(20), "safetensors"),
    ("model.json", tfjs("layers-model"), "TensorFlow.js layers"),
    ("model.json", tfjs("graph-model"), "TensorFlow.js graph"),
    ("net.mlmodel", b"\x08\x01\x12\x00", "Core ML"),
    ("net.h5", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    ("net.pb", b"\n<!DOCTYPE html><html></html>", "web page"),
    ("net.zip", archive("saved_model.pb"), "archive"),
    ("net.tar", tar_file("w"), "archive"),
    ("net.tar.gz", tar_file("w:gz"), "archive"),
    ("net.npz", numpy_file(), "NumPy"),
    ("net.pkl", pickle.dumps({"kernel": [1.0]}), "pickle"),
    ("net.gguf", b"GGUF" + bytes(100), "GGUF"),
    ("net.caffemodel", b"\x0a\x03net", "Caffe"),
]


@pytest.mark.parametrize(("name", "content", "said"), FILES, ids=[f"{name} {said}" for name, _, said in FILES])
def test_a_foreign_file_is_named_with_what_to_do_and_not_called_damaged(
    name: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SpecError, match=said) as caught:
        refuse_foreign(tmp_path / name)
    assert "damaged" not in str(caught.value)


def test_a_folder_of_tensorflow_js_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_bytes(tfjs("graph-model"))
    with pytest.raises(SpecError, match=r"TensorFlow\.js"):
        refuse_foreign(tmp_path)


def test_the_pointer_of_git_lfs_in_place_of_a_checkpoints_index_is_found_by_the_prefix(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt-7.index").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(SpecError, match="Git LFS"):
        refuse_foreign(tmp_path / "model.ckpt-7")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.keras", archive("metadata.json", "config.json", "model.weights.h5")),
        ("model.h5", b"\x89HDF\r\n\x1a\n"),
        ("saved_model.pb", b"\x08\x01\x12\x10\x0a\x0e"),
        ("frozen.pb", b"\x0a\x20\x0a\x05image\x12\x0b"),
        ("frozen.pbtxt", b"node { name: 'image' }"),
        ("model.ckpt", b"\x00\x0a\x08\x01\x12\x04\x0a\x00"),
        ("empty.onnx", b""),
        ("empty.ckpt", b""),
    ],
)
def test_what_tensorflow_and_keras_write_passes(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert recognise_foreign(tmp_path / name) is None


def test_what_is_not_there_passes(tmp_path: Path) -> None:
    assert recognise_foreign(tmp_path / "none") is None
