"""Frozen GraphDefs: one file, no variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tendies_ops.errors import SpecError
from tendies_ops.export.network import Provenance
from tendies_ops.export.sources.checkpoint_files import digest_of_files
from tendies_ops.export.sources.graph_checks import Permission
from tendies_ops.export.sources.graph_files import read_graph
from tendies_ops.export.sources.graph_network import GraphNetwork, bind_constants
from tendies_ops.export.sources.variables import VARIABLE_OPS
from tendies_ops.spec import Contract, SourceSpec

#: Operation on a reference -> on a value, with the same inputs; an assignment gives what it assigns.
_ON_VALUES = {
    **{f"Ref{name}": name for name in ("Switch", "Merge", "Enter", "Exit", "NextIteration", "Identity", "Select")},
    "AssignSub": "Sub",
    "AssignAdd": "AddV2",
    "Assign": "Identity",
}


def open_frozen_graph(path: Path, source: SourceSpec, contract: Contract) -> GraphNetwork:
    """
    Read the graph and find its ends.

    :raises TendiesError: the file holds no graph, or one with variables.
    """
    graph_def = read_graph(path)
    variables = [node.name for node in graph_def.node if node.op in VARIABLE_OPS]
    if variables:
        raise SpecError(
            f"{path} is not frozen: it has {len(variables)} variables, such as {variables[0]}. "
            "Give the checkpoint that holds them as source.checkpoint, and this file as source.graph."
        )
    _without_references(graph_def)
    bind_constants(graph_def, source.constants)
    return GraphNetwork(
        graph_def,
        input_tensor=source.input_tensor,
        extra_inputs={name: extra.tensor for name, extra in contract.extra_inputs.items()},
        output_tensors=source.output_tensors,
        provenance=Provenance("frozen_graph", str(path), digest_of_files([path])),
        permission=Permission(source.allow_operations),
    )


def _without_references(graph_def: Any) -> None:
    """
    Replace, in place, operations on references to variables by those on values.

    Freezing made the variables constants, and left what a training graph does with them: batch normalisation switches
    between references, and updates its moving averages.
    """
    for node in graph_def.node:
        if node.op in _ON_VALUES:
            node.op = _ON_VALUES[node.op]
            for name in ("use_locking", "validate_shape", "_class"):
                node.attr.pop(name, None)
            if node.op == "Identity":  # of what was assigned
                assigned = node.input[1]
                del node.input[:]
                node.input.append(assigned)
