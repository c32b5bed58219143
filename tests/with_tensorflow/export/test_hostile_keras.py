"""A Keras file that would do more than compute is refused before any Keras reads it."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.errors import UntrustedModelError
from tendies_ops.export.sources.keras_code import require_no_code
from tendies_ops.spec import ModelSpec
from tests.with_tensorflow.export.exported import ExportHere

tf_keras = pytest.importorskip("tf_keras")

Config = dict[str, Any]
HOSTILE: dict[str, Config] = {
    "Lambda": {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAA==", None, None]}},
    "Lambda in disguise": {"class_name": "Lambda", "registered_name": "mine>Layer", "config": {"name": "l"}},
    "marshalled lambda": {"class_name": "__lambda__", "config": {"value": "4wEAAA=="}},
    "lambda as shape": {"class_name": "Dense", "config": {"output_shape_type": "lambda"}},
    "another SavedModel": {"class_name": "TFSMLayer", "module": "keras.layers", "config": {"filepath": "/x"}},
    "pickled module": {"class_name": "TorchModuleWrapper", "module": "keras.layers", "config": {"module": "gASV"}},
    "module of the machine": {"class_name": "Popen", "module": "subprocess", "config": {}},
    "function of the machine": {"class_name": "function", "module": "os", "config": "system"},
    "helper of Keras": {"class_name": "function", "module": "keras.utils", "config": "get_file"},
    "helper of Keras as a class": {"class_name": "get_file", "module": "keras.utils", "config": {}},
    "helper behind a dot": {"class_name": "utils.get_file", "module": "keras", "config": {}},
    "loader of Keras": {"class_name": "load_model", "module": "keras.models", "config": {}},
    "package that looks like Keras": {"class_name": "Layer", "module": "keras_evil.layers", "config": {}},
    "vocabulary of a path": {
        "class_name": "StringLookup",
        "module": "keras.layers",
        "config": {"vocabulary": "/etc/x"},
    },
    "writing function": {"class_name": "TFOpLambda", "config": {"name": "w", "function": "io.write_file"}},
    "loading function": {"class_name": "TFOpLambda", "config": {"name": "w", "function": "load_op_library"}},
    "running function": {"class_name": "TFOpLambda", "config": {"name": "w", "function": "compat.v1.py_func"}},
    "reading operation": {"class_name": "TensorFlowOpLayer", "config": {"node_def": 'name: "r" op: "ReadFile"'}},
    "method of a class": {
        "class_name": "ClassMethod",
        "config": {"cls_symbol": "data.Dataset", "method_name": "list_files"},
    },
}


def nested(layer: Config) -> Config:
    """A model in a wrapper in a model."""
    inner = {"class_name": "TimeDistributed", "module": "keras.layers", "config": {"layer": layer}}
    return {"class_name": "Functional", "module": "keras.src.models.functional", "config": {"layers": [inner]}}


def as_archive(config: Config, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", "{}")
    return path


def as_hdf5(config: Config, path: Path) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.parametrize("write", [as_archive, as_hdf5])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_keras_file_that_does_more_than_compute_is_refused_before_it_is_loaded(
    tmp_path: Path, name: str, write: Callable[[Config, Path], Path]
) -> None:
    path = write(nested(HOSTILE[name]), tmp_path / "net.keras")
    with pytest.raises(UntrustedModelError, match="would do more than compute"):
        require_no_code(path, {"mine>Layer"})


def test_layers_of_keras_and_of_the_builder_are_accepted(tmp_path: Path) -> None:
    layers = [
        {"class_name": "Conv2D", "module": "keras.layers", "config": {"activation": "relu"}},
        {"class_name": "Layer", "module": "mine", "registered_name": "mine>Layer", "config": {}},
        {"class_name": "TFOpLambda", "config": {"name": "t", "function": "math.tanh"}},
        {"class_name": "function", "module": "builtins", "config": "relu"},
        {"class_name": "DTypePolicy", "module": "keras", "config": {"name": "float32"}},
    ]
    for write in (as_archive, as_hdf5):
        require_no_code(
            write({"class_name": "Sequential", "config": {"layers": layers}}, tmp_path / "net"), {"mine>Layer"}
        )


def test_a_file_that_is_an_archive_and_hdf5_is_read_both_ways(tmp_path: Path) -> None:
    path = as_hdf5(HOSTILE["Lambda"], tmp_path / "net.h5")
    harmless = io.BytesIO()
    with zipfile.ZipFile(harmless, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {}}))
    path.write_bytes(path.read_bytes() + harmless.getvalue())
    assert zipfile.is_zipfile(path)
    with pytest.raises(UntrustedModelError, match="Lambda"):
        require_no_code(path, ())


@pytest.mark.parametrize("kind", ["link", "values", "virtual"])
def test_weights_that_are_in_another_file_are_refused(tmp_path: Path, kind: str) -> None:
    import h5py

    path = as_hdf5({"class_name": "Sequential", "config": {}}, tmp_path / "net.h5")
    with h5py.File(path, "a") as file:
        group = file.create_group("layers/conv")
        if kind == "link":
            group["kernel"] = h5py.ExternalLink("/elsewhere.h5", "/secret")
        elif kind == "values":
            group.create_dataset("kernel", (4,), "u1", external=[("/etc/hostname", 0, 4)])
        else:
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource("/elsewhere.h5", "secret", (4,))
            group.create_virtual_dataset("kernel", layout)
    with pytest.raises(UntrustedModelError, match="another file"):
        require_no_code(path, ())


@pytest.fixture
def old_file_with_code(tmp_path: Path) -> tuple[Path, Path]:
    """An ``.h5`` of Keras 2 whose Lambda layer touches a file, and that file."""
    mark = tmp_path / "mark"
    touch = eval(f"lambda x: [open({str(mark)!r}, 'w').close(), x][1]")
    image = tf_keras.Input((8, 8, 3))
    result = tf_keras.layers.Lambda(touch, output_shape=(8, 8, 3))(tf_keras.layers.Conv2D(3, 1)(image))
    tf_keras.Model(image, result).save(tmp_path / "net.h5")
    mark.unlink()
    return tmp_path / "net.h5", mark


def spec_of(path: Path, **source: Any) -> ModelSpec:
    size = {"size": {"height": 8, "width": 8}}
    return ModelSpec.model_validate(
        {"model_name": "net", "source": {"checkpoint": path, **source}, "contract": {"input": size}}
    )


@pytest.mark.parametrize("name", ["net.h5", "net.hdf5", "net.H5"])
def test_code_that_keras_3_refuses_is_not_run_by_tf_keras(
    old_file_with_code: tuple[Path, Path], name: str, export_here: ExportHere
) -> None:
    path, mark = old_file_with_code
    if path.name != name:
        shutil.move(path, path.with_name(name))
    with pytest.raises(UntrustedModelError, match="Lambda"):
        export_here(spec_of(path.with_name(name)))
    assert not mark.exists()


def test_code_runs_if_the_spec_trusts_it_and_the_manifest_says_so(
    old_file_with_code: tuple[Path, Path], export_here: ExportHere
) -> None:
    path, mark = old_file_with_code
    exported = export_here(spec_of(path, trust_code=True))
    assert mark.exists()
    assert exported.manifest.trust is not None
    assert exported.manifest.trust.code
