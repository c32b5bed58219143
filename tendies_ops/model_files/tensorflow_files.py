"""SavedModels, graphs and checkpoints of TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tendies_ops.errors import UntrustedModelError
from tendies_ops.export.sources.checkpoint_files import checkpoint_files
from tendies_ops.graphs import operations_of, refused_operations
from tendies_ops.graphs.fields import mapped
from tendies_ops.model_files.checkpoint_index import OBJECT_GRAPH, variables_of
from tendies_ops.model_files.description import ModelFile, Shape, Signature
from tendies_ops.model_files.ends import Ends, bind_known, find_ends, is_picture
from tendies_ops.model_files.graph import MetaGraph, Node, meta_graph_of, meta_graphs_of, nodes_of
from tendies_ops.spec import MANIFEST_PATH

_VARIABLES = {"VariableV2", "Variable", "VarHandleOp"}
_ATTRIBUTE = "/.ATTRIBUTES/VARIABLE_VALUE"
_BUILDER = (
    "source.builder: the Python function that builds the network, of which the checkpoint holds the weights alone "
    "(`tendies init PATH --builder FILE.py:FUNCTION`)."
)


def read_saved_model(directory: Path) -> ModelFile:
    """
    Describe a SavedModel.

    :raises ValueError: its graph is cut short.
    """
    path = directory / "saved_model.pb"
    if not path.is_file():
        return ModelFile(directory, "a SavedModel as text (saved_model.pbtxt)", "saved_model", notes=(_AS_TEXT,))
    graphs = list(meta_graphs_of(mapped(path)))
    if not graphs:
        raise ValueError("it has no graph")
    graph = next((one for one in graphs if "serve" in one.tags), graphs[0])
    signature = _main_signature(graph)
    ends = _ends_of(signature) if signature is not None else Ends()
    index = directory / "variables" / "variables.index"
    return ModelFile(
        directory,
        f"a SavedModel of TensorFlow {graph.version or '?'}",
        "saved_model",
        "",
        ends.inputs,
        ends.outputs,
        ends.constants,
        ends.further_inputs,
        graph.signatures,
        _weights(index) if index.is_file() else {},
        tuple(_notes_of_saved_model(directory, graphs)),
        tuple(_needs_of_saved_model(directory, graph, graphs)),
    )


def _main_signature(graph: MetaGraph) -> Signature | None:
    names = graph.signatures
    return names.get("serving_default") or (next(iter(names.values())) if len(names) == 1 else None)


def _ends_of(signature: Signature) -> Ends:
    """Name picture and outputs as the signature does, and other inputs as the graph does: so a spec names them."""
    inputs = [(replace(tensor, name=name), tensor) for name, tensor in signature.inputs.items()]
    pictures = [named for named, _ in inputs if is_picture(named) or named.dtype == "string"]
    others = [replace(own, name=own.name.split(":")[0]) for named, own in inputs if named not in pictures[:1]]
    constants, further = bind_known(others)
    return Ends(tuple(pictures), tuple(replace(t, name=n) for n, t in signature.outputs.items()), constants, further)


def _notes_of_saved_model(directory: Path, graphs: Sequence[MetaGraph]) -> list[str]:
    notes = [f"Its tags: {'; '.join(', '.join(graph.tags) or 'none' for graph in graphs)}."]
    if (directory / MANIFEST_PATH).is_file():
        notes.append("It is an export of tendies already: publish and serve it as it is.")
    assets = sorted(file.name for file in (directory / "assets").glob("*"))
    if assets:
        notes.append(f"It has files of its own in assets/: {', '.join(assets[:5])}.")
    return notes


def _needs_of_saved_model(directory: Path, graph: MetaGraph, graphs: Sequence[MetaGraph]) -> list[str]:
    needs = []
    if "serve" not in graph.tags:
        needs.append(f"source.tags: [{', '.join(graph.tags)}].")
    if not graph.signatures:
        needs.append(
            "a signature, which names its ends. Load it and save it again with "
            "`tf.saved_model.save(model, path, signatures=function)`."
        )
    elif _main_signature(graph) is None:
        needs.append(f"source.signature: one of {', '.join(graph.signatures)}.")
    try:
        refused = refused_operations(operations_of(directory))
    except UntrustedModelError as error:
        return [*needs, f"a graph that can be read. {error}"]
    if refused:
        shown = ", ".join(f"{name} ({reason})" for name, reason in list(refused.items())[:5])
        needs.append(f"source.allow_operations, if you trust its author: it has operations that do more: {shown}.")
    return needs


_AS_TEXT = "It is text, and its ends are not listed."


def read_graph_file(path: Path) -> ModelFile:
    """
    Describe a ``.pb``, ``.pbtxt`` or ``.meta`` that has no checkpoint next to it.

    :raises ValueError: it holds no graph.
    """
    data = mapped(path)
    if path.suffix == ".pbtxt" or bytes(data[:4096]).lstrip()[:5] in (b"node ", b"node{", b"meta_"):
        return ModelFile(path, "a TensorFlow graph as text (.pbtxt)", "frozen_graph", notes=(_AS_TEXT,))
    nodes, is_meta = _graph_in(data)
    has_variables = any(node.op in _VARIABLES for node in nodes)
    ends = find_ends(nodes)
    name, needs = "a frozen TensorFlow graph", tuple[str, ...]()
    if has_variables:
        name = "the graph of a TensorFlow 1 checkpoint, without its weights"
        needs = ("source.checkpoint: the checkpoint with the weights, and this file as source.graph.",)
    found = _with_ends(ModelFile(path, f"{name} ({'.meta' if is_meta else 'GraphDef'})", "frozen_graph"), ends)
    weights = {node.name: node.shape or () for node in nodes if node.op == "Const" and node.shape}
    return replace(found, variables=weights, needs=(*needs, *found.needs))


def _graph_in(data: memoryview) -> tuple[list[Node], bool]:
    """Read a GraphDef, or else a MetaGraphDef: their first fields are the same."""
    try:
        nodes = nodes_of(data)
        if nodes:
            return nodes, False
    except ValueError:
        pass
    nodes = nodes_of(meta_graph_of(data).graph)
    if not nodes:
        raise ValueError("its graph has no node")
    return nodes, True


def read_checkpoint(prefix: Path) -> ModelFile:
    """
    Describe a checkpoint of TensorFlow 1 or 2, and the graph of its ``.meta``.

    :param prefix: as :func:`~tendies_ops.export.sources.checkpoint_files.resolve_checkpoint` gives it.
    :raises ValueError: its table is cut short.
    """
    files = checkpoint_files(prefix)
    index = Path(f"{prefix}.index")
    variables = variables_of(index if index.is_file() else prefix)
    notes = (f"Its files: {', '.join(file.name for file in files)}.",)
    if OBJECT_GRAPH in variables:
        own = {name.removesuffix(_ATTRIBUTE): shape for name, shape in variables.items() if name.endswith(_ATTRIBUTE)}
        weights = {
            name: shape for name, shape in own.items() if ".OPTIMIZER_SLOT" not in name and name != "save_counter"
        }
        return ModelFile(
            prefix, "a TensorFlow 2 checkpoint", "tf2_checkpoint", variables=weights, notes=notes, needs=(_BUILDER,)
        )
    name = "a TensorFlow 1 checkpoint" if index.is_file() else "a TensorFlow 1 checkpoint of one file (V1)"
    found = ModelFile(prefix, name, "tf1_checkpoint", variables=variables, notes=notes)
    meta = Path(f"{prefix}.meta")
    if not meta.is_file():
        return replace(found, needs=(f"{_BUILDER} Or source.graph, a .meta or .pb file.",))
    ends = find_ends(nodes_of(meta_graph_of(mapped(meta)).graph))
    return _with_ends(replace(found, format=f"{name}, with its graph (.meta)"), ends)


def _with_ends(found: ModelFile, ends: Ends) -> ModelFile:
    needs = []
    if not ends.inputs:
        needs.append("source.input_tensor: no placeholder of the graph can be a picture.")
    elif not ends.outputs:
        needs.append("source.output_tensors: nothing is computed from the picture.")
    return replace(
        found,
        inputs=ends.inputs,
        outputs=ends.outputs,
        constants=ends.constants,
        further_inputs=ends.further_inputs,
        needs=(*found.needs, *needs),
    )


def _weights(index: Path) -> dict[str, Shape]:
    found = {name.removesuffix(_ATTRIBUTE): shape for name, shape in variables_of(index).items()}
    return {name: shape for name, shape in found.items() if name not in (OBJECT_GRAPH, "save_counter")}
