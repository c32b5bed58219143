"""
Recognise files that hold a model of another framework, or no model at all, by their first bytes and their names.

None of them is damaged, so none may reach a reader that would report damage. No TensorFlow is needed here.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import SpecError

_HEAD_SIZE = 4096
_LARGEST_JSON = 64 * 1024 * 1024
_OLD_TORCH = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save wrote first until 1.5
_OWN_SUFFIXES = {".pb", ".pbtxt", ".keras", ".h5", ".hdf5", ".meta", ".index"}


@dataclass(frozen=True)
class ForeignFormat:
    """A format that is not exported."""

    name: str  #: as a sentence calls it, with its article
    advice: str  #: what to do with such a file, as a sentence


_TO_ONNX = "`onnx2tf -i model.onnx -o saved_model`, then give that directory"
ONNX = ForeignFormat("an ONNX model", f"Convert it to a SavedModel with onnx2tf: {_TO_ONNX}.")
TFLITE = ForeignFormat(
    "a TensorFlow Lite model",
    "It was converted from a SavedModel or a Keras file: give that. Without it, convert back with tf2onnx "
    f"(`python -m tf2onnx.convert --tflite model.tflite --output model.onnx`) and {_TO_ONNX}.",
)
PYTORCH = ForeignFormat(
    "a PyTorch file", f"Load it in PyTorch, write ONNX with torch.onnx.export, convert that with {_TO_ONNX}."
)
SAFETENSORS = ForeignFormat(
    "a safetensors file",
    "It holds weights and no network. Load it with the library that defines the network, and save the model as a "
    "SavedModel (TensorFlow, Keras) or by torch.onnx.export and onnx2tf (PyTorch).",
)
TFJS_LAYERS = ForeignFormat(
    "a TensorFlow.js layers model",
    "Convert it to a Keras file: `tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras "
    "model.json model.h5`.",
)
TFJS_GRAPH = ForeignFormat(
    "a TensorFlow.js graph model",
    "Convert it to a SavedModel with tfjs-graph-converter: `tfjs_graph_converter --output_format tf_saved_model "
    "DIRECTORY saved_model`.",
)
CORE_ML = ForeignFormat("a Core ML model", "Give the TensorFlow or Keras model that it was converted from.")
GIT_LFS = ForeignFormat("a Git LFS pointer and not the file itself", "Fetch the file: `git lfs pull`.")
WEB_PAGE = ForeignFormat(
    "a web page", "The download gave a page in place of the file; open it in a browser and download the file itself."
)
ARCHIVE = ForeignFormat("an archive", "Unpack it, and give the model's file or directory inside.")
NUMPY = ForeignFormat(
    "a NumPy file",
    "It holds weights and no network. Set them in a Keras model and save that with `model.save('model.keras')`.",
)
PICKLE = ForeignFormat(
    "a Python pickle", "Load it where it was made, and save the model as a .keras file or a SavedModel."
)
GGUF = ForeignFormat("a GGUF file", "It holds a language model; tendies serves networks that take pictures.")
#: Position and bytes that identify a format.
_MAGIC = (
    (0, b"version https://git-lfs", GIT_LFS),
    (4, b"TFL3", TFLITE),
    (0, b"GGUF", GGUF),
    (0, b"\x93NUMPY", NUMPY),
    (0, b"\x1f\x8b", ARCHIVE),
    (257, b"ustar", ARCHIVE),
)
_SUFFIXES = {
    ".onnx": ONNX,
    ".tflite": TFLITE,
    ".pt": PYTORCH,
    ".pth": PYTORCH,
    ".safetensors": SAFETENSORS,
    ".mlmodel": CORE_ML,
    ".mlpackage": CORE_ML,
    ".npy": NUMPY,
    ".npz": NUMPY,
    ".gguf": GGUF,
    ".caffemodel": ForeignFormat("a Caffe model", f"Convert it to ONNX with caffe2onnx, and {_TO_ONNX}."),
    ".weights": ForeignFormat(
        "a Darknet file", "Load its weights into a Keras model of the same network, and save that."
    ),
    ".engine": ForeignFormat("a TensorRT engine", "It runs on one kind of GPU only. Give the model it was built from."),
    ".pdmodel": ForeignFormat("a PaddlePaddle model", f"Convert it to ONNX with paddle2onnx, and {_TO_ONNX}."),
    ".pdparams": ForeignFormat("PaddlePaddle weights", f"Convert the model to ONNX with paddle2onnx, and {_TO_ONNX}."),
}


def refuse_foreign(path: Path) -> None:
    """
    Pass over everything that may be a model of TensorFlow or Keras.

    :param path: a file, a directory, or the prefix of a checkpoint.
    :raises SpecError: it is something else, which is named together with the way to convert it.
    """
    found = recognise_foreign(path)
    if found is not None:
        raise SpecError(f"source.checkpoint: {path} is {found.name}, which tendies does not export. {found.advice}")


def recognise_foreign(path: Path) -> ForeignFormat | None:
    """
    Detect the foreign format of ``path``.

    :return: ``None``: it may be one that is exported, or it cannot be read.
    """
    if path.is_dir():
        model = path / "model.json"
        return _of_json(model) if model.is_file() else _SUFFIXES.get(path.suffix.lower())
    file = path if path.is_file() else Path(f"{path}.index")
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD_SIZE)
        return _of_content(file, head) or (_SUFFIXES.get(file.suffix.lower()) if head else None)
    except (OSError, zipfile.BadZipFile):
        return None


def _of_content(file: Path, head: bytes) -> ForeignFormat | None:
    known = next((found for at, magic, found in _MAGIC if head[at:].startswith(magic)), None)
    if known is not None:
        return known
    if head.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
        return WEB_PAGE
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return PYTORCH if _OLD_TORCH in head[:32] else PICKLE
    if zipfile.is_zipfile(file):
        return _of_zip(file)
    return _of_structure(file, head)


def _of_structure(file: Path, head: bytes) -> ForeignFormat | None:
    if head.lstrip().startswith(b"{") and file.suffix.lower() == ".json":
        return _of_json(file)
    if head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < file.stat().st_size:
        return SAFETENSORS
    return ONNX if file.suffix.lower() not in _OWN_SUFFIXES and _starts_like_onnx(head) else None


def _of_zip(file: Path) -> ForeignFormat | None:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    if any(name.rsplit("/", 1)[-1] in ("data.pkl", "constants.pkl") for name in names):
        return PYTORCH
    if names and all(name.endswith(".npy") for name in names):
        return NUMPY
    return None if "config.json" in names and "metadata.json" in names else ARCHIVE


def _of_json(file: Path) -> ForeignFormat | None:
    if file.stat().st_size > _LARGEST_JSON:
        return None
    try:
        content = json.loads(file.read_bytes())
    except ValueError:
        return None
    if not isinstance(content, dict) or "weightsManifest" not in content:
        return None
    return TFJS_GRAPH if content.get("format") == "graph-model" else TFJS_LAYERS


def _starts_like_onnx(head: bytes) -> bool:
    """ModelProto: field 1 the version of the format, field 2 the name of the program that wrote it."""
    if len(head) < 6 or head[0] != 0x08 or not 3 <= head[1] < 32 or head[2] != 0x12:
        return False
    name = head[4 : 4 + head[3]]
    return 0 < head[3] < 64 and name.isascii() and name.decode().isprintable()
