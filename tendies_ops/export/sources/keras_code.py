"""
Finds what a Keras file would run besides layers of Keras itself, before any Keras reads it. No TensorFlow, no Keras.

Keras 3 refuses most of it, tf_keras little of it, and which of the two loads a file is decided by what the other one
refuses. So the file's own configuration is read here and compared with what a network of Keras layers consists of.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tendies_ops.errors import CheckpointError, UntrustedModelError
from tendies_ops.graphs import refused_operations

#: Layers that hold a program, each with what it does.
_PROGRAMS = {
    "Lambda": "holds Python code",
    "__lambda__": "holds Python code",
    "TFSMLayer": "loads another SavedModel",
    "TorchModuleWrapper": "holds pickled Python objects",
    "JaxLayer": "holds Python code",
    "FlaxLayer": "holds Python code",
}
_PACKAGES = ("keras", "tf_keras", "tensorflow.keras", "tensorflow.python.keras")
_PASSED_OVER = {"src", "api", "_v1", "_v2", "engine"}
#: Parts of Keras that networks are made of.
_FUNCTION_PARTS = {"activations", "constraints", "initializers", "losses", "metrics", "ops", "random", "regularizers"}
_CLASS_PARTS = _FUNCTION_PARTS | {
    *("", "backend", "dtype_policies", "functional", "input_layer", "layers", "mixed_precision", "models"),
    *("optimizers", "quantizers", "sequential", "training"),
}
_NAME = re.compile(r"[A-Za-z_]\w*")
#: TensorFlow's functions that a TFOpLambda of Keras 2 may name: those that compute, and live in no other module.
_TENSORFLOW_FUNCTION = re.compile(
    r"(compat\.v1\.)?((math|nn|linalg|image|signal|bitwise|random|quantization|__operators__)\.[\w.]+"
    r"|(abs|add|argmax|argmin|broadcast_to|cast|clip_by_value|concat|constant|convert_to_tensor|cos|divide|equal|exp"
    r"|expand_dims|eye|fill|floor|gather|gather_nd|identity|less|matmul|maximum|minimum|multiply|negative|norm|not_equal"
    r"|ones|ones_like|pad|pow|range|rank|reduce_\w+|repeat|reshape|reverse|roll|round|scatter_nd|shape|sigmoid|sign|sin"
    r"|size|slice|space_to_batch|batch_to_space|split|sqrt|square|squeeze|stack|stop_gradient|strided_slice|subtract|tan"
    r"|tanh|tensordot|tile|transpose|truediv|unstack|where|zeros|zeros_like|greater|einsum|depth_to_space"
    r"|space_to_depth|dtypes\.cast))"
)
_SHOWN = 5


def require_no_code(path: Path, known: Collection[str]) -> None:
    """
    Refuse a Keras file that would run code, or read other files, when it is loaded or called.

    :param path: a ``.keras`` archive or an HDF5 file; a file that is both is read both ways.
    :param known: names of the builder's own classes and functions.
    :raises UntrustedModelError: it names or holds something else than Keras's own layers and functions.
    """
    found = [problem for config in _configurations(path) for problem in _problems(config, known)]
    found += _links_out_of(path)
    if found:
        shown = "; ".join(dict.fromkeys(found[:_SHOWN])) + ("; and more" if len(found) > _SHOWN else "")
        raise UntrustedModelError(
            f"{path} would do more than compute: {shown}. Nothing of it was run. For layers of your own, give "
            f"source.builder: a function that returns a dict of their names and classes{_example_of(path, known)}. If "
            "you trust the author of the file with everything that this process can do, allow it in the model spec: "
            "`source: {trust_code: true}`."
        )


def _example_of(path: Path, known: Collection[str]) -> str:
    """Write the dict that Keras needs to find the classes: a registered one has another name than its class."""
    names: dict[str, str] = {}
    for config in _configurations(path):
        for part in _objects(config):
            kind, inner = part["class_name"], part.get("config")
            name = str(inner if kind == "function" and isinstance(inner, str) else kind)
            if kind not in _PROGRAMS and not _is_known(part, name, known):
                registered = str(part.get("registered_name") or name)
                names[registered if ">" in registered else name] = name.rpartition(">")[2]
    return f", here {{{', '.join(f'{key!r}: {name}' for key, name in names.items())}}}" if names else ""


def _configurations(path: Path) -> Iterator[Any]:
    import h5py

    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if "config.json" in archive.namelist():
                    yield {**json.loads(archive.read("config.json")), "compile_config": None}  # it is not compiled
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                if "model_config" in file.attrs:
                    yield json.loads(file.attrs["model_config"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"The configuration in {path} cannot be read: {error}. Copy the file again.") from error


def _problems(value: Any, known: Collection[str]) -> Iterator[str]:
    """Yield what is wrong in a configuration and in all that it holds."""
    for part in _objects(value):
        yield from _problems_of_object(part, known)
    for part in _dicts(value):
        if any(key.endswith("_type") and inner == "lambda" for key, inner in part.items()):
            yield "a configuration holds Python code (`lambda`)"


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield the parts of a configuration that name a class or function."""
    return (part for part in _dicts(value) if isinstance(part.get("class_name"), str))


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)


def _problems_of_object(part: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    kind, inner = part["class_name"], part.get("config")
    name = inner if kind == "function" and isinstance(inner, str) else kind
    label = f"the {kind} `{inner['name']}`" if isinstance(inner, dict) and inner.get("name") else f"`{name}`"
    if kind in _PROGRAMS:
        yield f"{label} {_PROGRAMS[kind]}"
    elif isinstance(inner, dict) and isinstance(inner.get("vocabulary"), str):
        yield f"{label} reads the file {inner['vocabulary']!r}"
    elif isinstance(inner, dict) and not _is_computing_call(kind, inner):
        yield f"{label} calls {_called(inner)!r} of TensorFlow"
    elif not _is_known(part, str(name), known):
        yield f"{label} is from the module {part.get('module')!r}, and no layer or function of Keras"


def _is_known(part: dict[str, Any], name: str, known: Collection[str]) -> bool:
    """Return True for what the builder gives, and for what is part of Keras."""
    return not {name, str(part.get("registered_name"))}.isdisjoint(known) or _is_of_keras(name, part.get("module"))


def _is_of_keras(name: str, module: object) -> bool:
    """Return True for what networks are made of. A name without a module is looked up among Keras's own by Keras."""
    if not _NAME.fullmatch(name):
        return False
    if module in (None, "", "builtins"):
        return True
    package = next((p for p in _PACKAGES if str(module) == p or str(module).startswith(f"{p}.")), None)
    if package is None:
        return False
    parts = [part for part in str(module)[len(package) :].split(".") if part and part not in _PASSED_OVER]
    return (parts[0] if parts else "") in (_CLASS_PARTS if name[0].isupper() else _FUNCTION_PARTS)


def _is_computing_call(kind: str, inner: dict[str, Any]) -> bool:
    """Return False for a layer in which Keras 2 wraps a function of TensorFlow that does more than compute."""
    if kind in ("TFOpLambda", "SlicingOpLambda"):
        return _TENSORFLOW_FUNCTION.fullmatch(_called(inner)) is not None
    if kind == "TensorFlowOpLayer":
        operations = re.findall(r"""["']?\bop["']?\s*:\s*["']([^"']*)["']""", str(inner.get("node_def")))
        return bool(operations) and not refused_operations(operations)
    if kind in ("ClassMethod", "InstanceMethod", "InstanceProperty"):
        return _called(inner) in ("shape", "dtype", "rank", "ndim")
    return True


def _called(inner: dict[str, Any]) -> str:
    return str(inner.get("function") or inner.get("method_name") or inner.get("attr_name") or inner.get("node_def"))


def _links_out_of(path: Path) -> list[str]:
    """Return the places in an HDF5 file, or in that of an archive, where values come from another file."""
    import h5py

    found: list[str] = []
    try:
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                found += _outer_links(file)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    if name.endswith(".h5"):
                        with archive.open(name) as stream, h5py.File(stream, "r") as file:
                            found += _outer_links(file)
    except (OSError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"The weights in {path} cannot be read: {error}. Copy the file again.") from error
    return found


def _outer_links(root: Any) -> list[str]:
    import h5py

    found, seen, waiting = [], set(), [root]
    while waiting:
        group = waiting.pop()
        for name in group:
            if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
                found.append(f"`{group.name}/{name}` is a link to another file")
            elif isinstance(group.get(name, getlink=True), h5py.HardLink):
                item = group[name]
                if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
                    found.append(f"the values of `{item.name}` are in another file")
                address = h5py.h5o.get_info(item.id).addr
                if isinstance(item, h5py.Group) and address not in seen:
                    seen.add(address)
                    waiting.append(item)
    return found
