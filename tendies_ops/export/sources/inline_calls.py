"""Replacing calls of functions in a GraphDef by what the functions do, before TensorFlow sees the graph."""

from __future__ import annotations

from typing import Any

from tendies_ops.export.sources.graph_checks import GraphIndex, node_of

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_MOST_CALLS = 10_000


def looks_up_tables(graph_def: Any) -> bool:
    """Return True if a function of the graph uses a lookup table."""
    return any(node.op.startswith("LookupTable") for f in graph_def.library.function for node in f.node_def)


def inline_calls(graph_def: Any, outputs: dict[str, str]) -> dict[str, str]:
    """
    Put the bodies of the functions that the outputs need in place of their calls, in place.

    A call computes all results of its function, so a network that gives class names next to its scores needs their
    table for the scores as well. What is inlined can be left out part by part.

    :param outputs: output -> tensor name.
    :return: the same with the tensors' new names.
    """
    for _ in range(_MOST_CALLS):
        index = GraphIndex(graph_def)
        needed = index.below(map(node_of, outputs.values())).values()
        call = next((n for n in needed if n.op in _CALLS and n.attr["f"].func.name in index.functions), None)
        if call is None:
            break
        renamed = _inline(graph_def, call, index.functions[call.attr["f"].func.name])
        outputs = {output: renamed.get(tensor, tensor) for output, tensor in outputs.items()}
    return outputs


def _inline(graph_def: Any, call: Any, function: Any) -> dict[str, str]:
    """Inline one call, and return the new names of its results."""
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

    body, flat_names = function_def_to_graph_def(function)
    arguments = dict(zip((arg.name for arg in function.signature.input_arg), call.input, strict=False))
    results = [flat_names[function.ret[arg.name]] for arg in function.signature.output_arg]
    renamed = {f"{call.name}:{number}": _outer(name, call.name, arguments) for number, name in enumerate(results)}
    if results:
        renamed[call.name] = renamed[f"{call.name}:0"]
    graph_def.node.remove(call)
    for node in graph_def.node:
        kept = [renamed.get(name, name) for name in node.input if name != f"^{call.name}"]
        del node.input[:]
        node.input.extend(kept)
    lookups = {f"^{node.name}" for node in body.node if node.op.startswith("LookupTable")}  # results wait for them
    for node in body.node:
        if node.name not in arguments:
            inputs = [_outer(name, call.name, arguments) for name in node.input if name not in lookups]
            del node.input[:]
            node.input.extend(name for name in inputs if name)
            node.name = f"{call.name}/{node.name}"
            graph_def.node.append(node)
    return renamed


def _outer(name: str, prefix: str, arguments: dict[str, str]) -> str:
    """Return the name in the graph of a tensor or control edge in a function's body; nothing for edges to arguments."""
    control, plain = ("^", name[1:]) if name.startswith("^") else ("", name)
    node = plain.partition(":")[0]
    if node in arguments:
        return "" if control else arguments[node]
    return f"{control}{prefix}/{plain}"
