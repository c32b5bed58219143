"""Existing SavedModels of TF1 and TF2, re-wrapped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tendies_ops.errors import CheckpointError, SpecError
from tendies_ops.export.network import Network, Provenance
from tendies_ops.export.sources.checkpoint_files import digest_of_files, how_to_fix
from tendies_ops.export.sources.graph_checks import GraphIndex, Permission, node_of, require_plain_restore
from tendies_ops.export.sources.graph_network import GraphNetwork, bind_constants
from tendies_ops.export.sources.inline_calls import inline_calls, looks_up_tables
from tendies_ops.export.sources.model_network import ModelNetwork
from tendies_ops.export.sources.variables import VARIABLE_OPS
from tendies_ops.graphs import require_computing_model
from tendies_ops.spec import Contract, SourceSpec


def open_saved_model(path: Path, source: SourceSpec, contract: Contract) -> Network:
    """
    Load the graph of one signature and its variables.

    :raises TendiesError: it does not load, or has no such tags, signature or output.
    """
    directory = path.parent if path.is_file() else path
    meta_graph = _read_meta_graph(directory, source.tags)
    if not _signatures(meta_graph) and meta_graph.HasField("object_graph_def"):
        return _open_callable(directory, source, contract)
    image, outputs = _ends(meta_graph, directory, source, contract)
    graph_def = meta_graph.graph_def
    if looks_up_tables(graph_def):
        outputs = inline_calls(graph_def, outputs)
    bind_constants(graph_def, source.constants)
    restoring = _restoring_nodes(meta_graph, outputs.values(), directory)
    network = GraphNetwork(
        graph_def,
        input_tensor=image,
        extra_inputs={name: extra.tensor for name, extra in contract.extra_inputs.items()},
        output_tensors=outputs,
        provenance=Provenance("saved_model", str(directory), digest_of_files(content_files(directory))),
        permission=Permission(source.allow_operations, restoring),
    )
    if restoring:
        _restore(network, meta_graph, directory)
    return network


def _signatures(meta_graph: Any) -> dict[str, Any]:
    return {name: signature for name, signature in meta_graph.signature_def.items() if not name.startswith("__")}


def _open_callable(directory: Path, source: SourceSpec, contract: Contract) -> ModelNetwork:
    """
    Load a SavedModel that has functions and no signatures, as modules of TensorFlow Hub are saved.

    :raises SpecError: it cannot be called, or has several functions.
    """
    import tensorflow as tf

    require_computing_model(directory, source.allow_operations)  # before it runs
    try:
        loaded = tf.saved_model.load(str(directory), tags=list(source.tags))
    except (OSError, ValueError, RuntimeError, KeyError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"{directory} does not load: {reason}. Copy it whole.") from error
    functions = {
        name: getattr(loaded, name)
        for name, child in tf.train.TrackableView.children(loaded).items()
        if callable(child) and hasattr(child, "concrete_functions") and child.concrete_functions
    }
    call = functions.get("__call__") or (next(iter(functions.values())) if len(functions) == 1 else None)
    if call is None:
        raise SpecError(
            f"{directory} has no signature, and {'no function' if not functions else 'several functions'} to call"
            f"{': ' if functions else ''}{', '.join(sorted(functions))}. Save it again with signatures: "
            "`tf.saved_model.save(model, path, signatures=function)`, where function is a tf.function with one "
            "tf.TensorSpec for the picture."
        )
    provenance = Provenance("saved_model", str(directory), digest_of_files(content_files(directory)))
    return ModelNetwork(loaded, call, contract=contract, provenance=provenance, source=source)


def content_files(directory: Path) -> list[Path]:
    """All files that define what the model computes."""
    # fingerprint.pb holds a random number and no content.
    return sorted(p for p in directory.rglob("*") if p.is_file() and p.name != "fingerprint.pb")


def _read_meta_graph(directory: Path, tags: tuple[str, ...]) -> Any:
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    saved_model = saved_model_pb2.SavedModel()
    binary, text = directory / "saved_model.pb", directory / "saved_model.pbtxt"
    path = text if text.is_file() and not binary.is_file() else binary
    try:
        if path == text:
            text_format.Parse(path.read_text(encoding="utf-8"), saved_model)
        else:
            saved_model.ParseFromString(path.read_bytes())
    except (OSError, DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}. Copy it again.") from error
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == set(tags):
            return meta_graph
    found = "; ".join(", ".join(m.meta_info_def.tags) or "(no tags)" for m in saved_model.meta_graphs) or "none"
    raise SpecError(f"{directory} has no graph with the tags {', '.join(tags)}; it has: {found}. Set source.tags.")


def _ends(meta_graph: Any, directory: Path, source: SourceSpec, contract: Contract) -> tuple[str, dict[str, str]]:
    signatures = _signatures(meta_graph)
    signature = signatures.get(source.signature)
    if signature is None and len(signatures) == 1 and source.signature == SourceSpec.model_fields["signature"].default:
        signature = next(iter(signatures.values()))  # no other was named
    if signature is None:
        names = ", ".join(signatures) or "none"
        raise SpecError(f"{directory} has no signature `{source.signature}`; it has {names}. Set source.signature.")
    taken = {extra.tensor for extra in contract.extra_inputs.values()} | set(source.constants)
    free = {k: t.name for k, t in signature.inputs.items() if k not in taken and t.name.split(":")[0] not in taken}
    if source.input_tensor is not None:
        image = free.get(source.input_tensor, source.input_tensor)
    elif len(free) == 1:
        image = next(iter(free.values()))
    else:
        raise SpecError(f"Name the input that is the picture with source.input_tensor: {', '.join(sorted(free))}.")
    outputs = {name: tensor.name for name, tensor in sorted(signature.outputs.items())}
    if source.output_tensors:
        return image, {name: outputs.get(wanted, wanted) for name, wanted in source.output_tensors.items()}
    return image, {"output": next(iter(outputs.values()))} if len(outputs) == 1 else outputs


def _restoring_nodes(meta_graph: Any, outputs: Iterable[str], directory: Path) -> frozenset[str]:
    """Return the nodes that restore the variables which the outputs need; empty where they need none."""
    index = GraphIndex(meta_graph.graph_def)
    needed = index.below(map(node_of, outputs)).values()
    if not any(node.op in VARIABLE_OPS for node in needed):
        return frozenset()  # frozen before it was saved
    saver = meta_graph.saver_def
    return require_plain_restore(
        index, saver.restore_op_name, saver.filename_tensor_name, subject=f"The SavedModel {directory}"
    )


def _restore(network: GraphNetwork, meta_graph: Any, directory: Path) -> None:
    """Run the graph's own restore operation, as every loader of SavedModels does."""
    import tensorflow as tf

    saver = meta_graph.saver_def
    variables = directory / "variables" / "variables"
    if not Path(f"{variables}.index").is_file():
        raise CheckpointError(f"{directory} has no variables/variables.index, which its graph needs. Copy it whole.")
    try:
        network.session.run(saver.restore_op_name, {saver.filename_tensor_name: str(variables)})
    except (tf.errors.OpError, ValueError) as error:
        raise CheckpointError(
            f"The variables of {directory} cannot be restored: {' '.join(str(error).split())[:300]}. "
            f"{how_to_fix(variables)}"
        ) from error
