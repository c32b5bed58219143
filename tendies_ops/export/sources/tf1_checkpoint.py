"""TF1 checkpoints (V2, and the single-file V1) with a builder, a .meta file or a GraphDef."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import ExportError, SpecError
from tendies_ops.export.network import Provenance
from tendies_ops.export.sources.builder import call_builder, load_builder
from tendies_ops.export.sources.checkpoint_files import checkpoint_files, digest_of_files, step_of
from tendies_ops.export.sources.graph_checks import Permission
from tendies_ops.export.sources.graph_files import read_graph
from tendies_ops.export.sources.graph_network import GraphNetwork, bind_constants
from tendies_ops.export.sources.variables import load_variables
from tendies_ops.spec import Contract, SourceSpec

if TYPE_CHECKING:
    import tensorflow as tf

PLACEHOLDER = "input_image"


def open_tf1_checkpoint(prefix: Path, source: SourceSpec, contract: Contract) -> GraphNetwork:
    """
    Build or read the graph, and restore the checkpoint into it.

    :param prefix: as :func:`~.checkpoint_files.resolve_checkpoint` gives it.
    :raises TendiesError: graph and checkpoint do not fit, or one of them cannot be read.
    """
    graph_file = source.graph or _meta_graph_next_to(prefix)
    output_tensors = dict(source.output_tensors)
    input_tensor = source.input_tensor
    if source.builder is not None:
        graph_def, outputs = _build(source, contract)
        output_tensors = output_tensors or outputs
        input_tensor = input_tensor or f"{PLACEHOLDER}:0"
    elif graph_file is not None:
        graph_def = read_graph(graph_file)
    else:
        raise SpecError(
            f"{prefix} is a TF1 checkpoint, which holds weights and no graph. Give source.builder (the Python function "
            "that builds the network) or source.graph (a .meta, .pb or .pbtxt file)."
        )
    bind_constants(graph_def, source.constants)
    provenance = Provenance("tf1_checkpoint", str(prefix), digest_of_files(checkpoint_files(prefix)), step_of(prefix))
    network = GraphNetwork(
        graph_def,
        input_tensor=input_tensor,
        extra_inputs={name: extra.tensor for name, extra in contract.extra_inputs.items()},
        output_tensors=output_tensors,
        provenance=provenance,
        permission=Permission(source.allow_operations),
    )
    unused = load_variables(network, prefix, source.variable_map)
    network.provenance = Provenance(
        provenance.kind, provenance.checkpoint, provenance.digest, provenance.step, unused_variables=unused
    )
    return network


def _meta_graph_next_to(prefix: Path) -> Path | None:
    meta = Path(f"{prefix}.meta")
    return meta if meta.is_file() else None


def _build(source: SourceSpec, contract: Contract) -> tuple[tf.compat.v1.GraphDef, dict[str, str]]:
    import tensorflow as tf

    reference = str(source.builder)
    builder = load_builder(reference)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(contract.input.dtype, placeholder_shape(contract), name=PLACEHOLDER)
        result = call_builder(reference, builder, image, **source.builder_arguments)
        outputs = _named_outputs(reference, result)
        for name, tensor in outputs.items():
            if getattr(tensor, "graph", None) is not graph:
                raise ExportError(
                    f"The builder {reference} returned {type(tensor).__name__} for `{name}`, not a tensor of the "
                    "graph that it was called in. A TF1 builder gets the image placeholder and returns the output."
                )
        return graph.as_graph_def(), {name: tensor.name for name, tensor in outputs.items()}


def placeholder_shape(contract: Contract) -> list[int | None]:
    """Return the shape of the image tensor that a builder is given."""
    height = contract.input.size.height if contract.input.size else None
    width = contract.input.size.width if contract.input.size else None
    pixels: list[int | None] = [height, width, contract.input.channels]
    if contract.input.layout == "nchw":
        pixels = [contract.input.channels, height, width]
    return [contract.input.batch_size, *pixels]


def _named_outputs(reference: str, result: Any) -> dict[str, Any]:
    if isinstance(result, dict):
        if not result:
            raise ExportError(f"The builder {reference} returned an empty dict; it must name at least one output.")
        return {str(name): tensor for name, tensor in result.items()}
    return {"output": result}
