"""A SignatureDef as protobuf's DebugString prints it, which some error texts contain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tendies_ops.server.graph.signatures import Dimension, Signature, TensorInfo

# protobuf's reminder that this text is not for parsers.
_PREFIX: Final = "goo.gle/debugonly    \n"


def signature_text(signature: Signature) -> str:
    """Maps in the order of their keys; what has its default value is left away."""
    lines = [*_entries("inputs", signature.inputs), *_entries("outputs", signature.outputs)]
    if signature.method_name:
        lines.append(f"method_name: {_quoted(signature.method_name)}")
    return _PREFIX + "".join(line + "\n" for line in lines)


def _entries(field: str, infos: Mapping[str, TensorInfo]) -> list[str]:
    lines = []
    for name in sorted(infos):
        entry = [f"key: {_quoted(name)}", *_braces("value", _tensor_info(infos[name]))]
        lines += _braces(field, entry)
    return lines


def _tensor_info(info: TensorInfo) -> list[str]:
    lines = [f"name: {_quoted(info.tensor_name)}"] if info.tensor_name else []
    if info.dtype.number:
        lines.append(f"dtype: {info.dtype.proto_name}")
    return lines + _braces("tensor_shape", _shape(info.shape))


def _shape(shape: tuple[Dimension, ...] | None) -> list[str]:
    if shape is None:
        return ["unknown_rank: true"]
    lines = []
    for dim in shape:
        content = [f"size: {dim.size}"] if dim.size else []
        lines += _braces("dim", content + ([f"name: {_quoted(dim.name)}"] if dim.name else []))
    return lines


def _braces(name: str, content: list[str]) -> list[str]:
    return [f"{name} {{", *("  " + line for line in content), "}"]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
