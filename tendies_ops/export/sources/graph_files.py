"""Reading GraphDef and MetaGraphDef files, binary or text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import ExportError

if TYPE_CHECKING:
    import tensorflow as tf


def read_graph(path: Path) -> tf.compat.v1.GraphDef:
    """
    Read a ``.meta`` (MetaGraphDef), ``.pb`` (GraphDef) or ``.pbtxt`` (either, as text).

    :raises ExportError: it does not exist, cannot be read, or has another format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"The graph {path} cannot be read: {error.strerror}.") from error
    for parse in (_parse_text,) if path.suffix == ".pbtxt" else (_parse_binary, _parse_text):
        graph = parse(data, is_meta=path.suffix == ".meta")
        if graph is not None and graph.node:
            return graph
    raise ExportError(
        f"{path} ({len(data)} bytes) holds no graph: it is neither a binary nor a text "
        f"{'MetaGraphDef' if path.suffix == '.meta' else 'GraphDef'}. The file is damaged or of another kind."
    )


def _parse_binary(data: bytes, *, is_meta: bool) -> Any:
    from google.protobuf.message import DecodeError

    for message in _messages(is_meta=is_meta):
        try:
            message.ParseFromString(data)
        except DecodeError:
            continue
        graph = _graph_of(message)
        if graph.node and all(node.name and node.op for node in graph.node):
            return graph
    return None


def _parse_text(data: bytes, *, is_meta: bool) -> Any:
    from google.protobuf import text_format

    for message in _messages(is_meta=is_meta):
        try:
            text_format.Parse(data.decode("utf-8"), message)
        except (text_format.ParseError, UnicodeDecodeError):
            continue
        return _graph_of(message)
    return None


def _messages(*, is_meta: bool) -> list[Any]:
    import tensorflow as tf

    graph, meta = tf.compat.v1.GraphDef(), tf.compat.v1.MetaGraphDef()
    return [meta, graph] if is_meta else [graph, meta]


def _graph_of(message: Any) -> Any:
    return message.graph_def if message.DESCRIPTOR.name == "MetaGraphDef" else message
