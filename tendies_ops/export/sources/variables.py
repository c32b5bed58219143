"""Filling a graph's variables from a name-based checkpoint, with every mismatch named."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import CheckpointError, SpecError
from tendies_ops.export.network import count_not_finite
from tendies_ops.export.sources.checkpoint_files import how_to_fix
from tendies_ops.export.sources.graph_network import GraphNetwork

if TYPE_CHECKING:
    import tensorflow as tf

#: Operations that hold variables.
VARIABLE_OPS = {"VariableV2", "Variable", "VarHandleOp"}
_SHOWN = 8
_VALUES_PER_RUN = 8_000_000


@dataclass(frozen=True)
class GraphVariable:
    """One variable that the outputs depend on."""

    name: str
    shape: tuple[int | None, ...] | None
    is_resource: bool


@dataclass(frozen=True)
class _Assignment:
    """The source of one variable's value."""

    operation: Any
    value: Any  #: the placeholder to feed
    dtype: Any  #: NumPy's


def open_checkpoint(prefix: Path) -> tf.train.CheckpointReader:
    """
    Open a V1 or V2 checkpoint.

    :raises CheckpointError: TensorFlow cannot read it.
    """
    import tensorflow as tf

    try:
        # Not tf.train.load_checkpoint, which prefers a directory of the prefix's name.
        return tf.compat.v1.train.NewCheckpointReader(str(prefix))
    except Exception as error:  # same
        raise CheckpointError(
            f"The checkpoint {prefix} cannot be read: {' '.join(str(error).split())[:300]}. {how_to_fix(prefix)}"
        ) from error


def load_variables(network: GraphNetwork, prefix: Path, variable_map: Mapping[str, str]) -> tuple[str, ...]:
    """
    Set every variable that the outputs need.

    :param variable_map: regular expression on the graph's name -> the checkpoint's name.
    :return: what the checkpoint holds and the graph does not need.
    :raises CheckpointError: one is missing, has another shape or is not finite; all are listed.
    """
    reader = open_checkpoint(prefix)
    shapes: dict[str, list[int]] = reader.get_variable_to_shape_map()
    variables = _variables_of(network)
    names = {v.name: mapped_name(v.name, variable_map) for v in variables}
    _require_same(variables, names, shapes, prefix)
    assignments = [(_assignment(network, variable), names[variable.name]) for variable in variables]
    for chunk in _chunks(assignments, shapes):
        feeds = {a.value: read_tensor(reader, name, prefix).astype(a.dtype, copy=False) for a, name in chunk}
        network.session.run([a.operation for a, _ in chunk], feeds)
    return tuple(sorted(shapes.keys() - set(names.values())))


def mapped_name(name: str, variable_map: Mapping[str, str]) -> str:
    """Return the checkpoint's name for the graph's ``name``: by the first pattern that matches all of it."""
    for pattern, replacement in variable_map.items():
        mapped = _mapped_by(pattern, replacement, name)
        if mapped is not None:
            return mapped
    return name


def _mapped_by(pattern: str, replacement: str, name: str) -> str | None:
    try:
        match = re.fullmatch(pattern, name)
        return match.expand(replacement) if match else None
    except (re.error, IndexError) as error:
        raise SpecError(f"source.variable_map: {pattern!r} -> {replacement!r} is wrong: {error}.") from error


def read_tensor(reader: tf.train.CheckpointReader, name: str, prefix: Path) -> NDArray[Any]:
    """
    Read one variable.

    :raises CheckpointError: it cannot be read, or holds NaN or infinity.
    """
    try:
        value = np.asarray(reader.get_tensor(name))
    except Exception as error:  # OpError, ValueError, RuntimeError or IndexError, by what is damaged
        raise CheckpointError(
            f"The variable {name} of {prefix} cannot be read: {' '.join(str(error).split())[:300]}. "
            "A data file is damaged or cut short; copy the checkpoint again."
        ) from error
    require_finite(name, value, prefix)
    return value


def require_finite(name: str, value: NDArray[Any], path: Path) -> None:
    """
    Require finite values of a variable.

    :raises CheckpointError: a value of the variable ``name`` of the checkpoint at ``path`` is not finite.
    """
    bad = count_not_finite(value)
    if bad:
        raise CheckpointError(
            f"The variable {name} of {path} holds {bad} values that are NaN or infinite. "
            "The training diverged; take an earlier checkpoint."
        )


def missing_with_nearest(
    missing: Mapping[str, str],
    own_shapes: Mapping[str, tuple[int | None, ...] | None],
    available: Mapping[str, list[int]],
) -> str:
    """
    Describe the first few variables that a checkpoint lacks, each with the nearest names of its own shape.

    :param missing: name in the graph -> name that was looked up.
    :param own_shapes: of the graph's variables; None fits all.
    :param available: name in the checkpoint -> shape.
    """
    lines = []
    for name, wanted in list(missing.items())[:_SHOWN]:
        own = own_shapes[name]
        fitting = [other for other, shape in available.items() if own is None or _same_shape(own, shape)]
        close = difflib.get_close_matches(wanted, fitting, n=2, cutoff=0.5)
        renamed = f" looked up as {wanted}" if wanted != name else ""
        lines.append(f"{name}{renamed} (nearest in the checkpoint: {', '.join(close) or 'none'})")
    more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    return "; ".join(lines) + more


def _variables_of(network: GraphNetwork) -> list[GraphVariable]:
    import tensorflow as tf

    found = []
    for node in network.needed_graph_def.node:
        if node.op in VARIABLE_OPS:
            shape = tf.TensorShape(node.attr["shape"].shape)
            dims = tuple(shape.as_list()) if shape.rank is not None else None
            found.append(GraphVariable(node.name, dims, is_resource=node.op == "VarHandleOp"))
    return found


def _require_same(
    variables: list[GraphVariable], names: Mapping[str, str], shapes: Mapping[str, list[int]], prefix: Path
) -> None:
    missing = {v.name: names[v.name] for v in variables if names[v.name] not in shapes}
    if missing:
        unused = {name: shapes[name] for name in sorted(shapes.keys() - set(names.values()))}
        own = {v.name: v.shape for v in variables}
        raise CheckpointError(
            f"{len(missing)} of {len(variables)} variables of the graph are not in {prefix}: "
            f"{missing_with_nearest(missing, own, unused or shapes)}. If they only have other names there, map them "
            "in source.variable_map."
        )
    wrong = [
        f"{v.name} is {list(v.shape)} in the graph and {shapes[names[v.name]]} in the checkpoint"
        for v in variables
        if v.shape is not None and not _same_shape(v.shape, shapes[names[v.name]])
    ]
    if wrong:
        raise CheckpointError(
            f"{len(wrong)} of {len(variables)} variables have another shape in {prefix}: {'; '.join(wrong[:_SHOWN])}. "
            "The builder makes another network than the one that was trained; check its arguments."
        )


def _same_shape(graph: tuple[int | None, ...], checkpoint: list[int]) -> bool:
    return len(graph) == len(checkpoint) and all(g in (None, c) for g, c in zip(graph, checkpoint, strict=True))


def _assignment(network: GraphNetwork, variable: GraphVariable) -> _Assignment:
    import tensorflow as tf

    with network.graph.as_default():
        target = network.graph.get_tensor_by_name(f"{variable.name}:0")
        dtype = tf.as_dtype(target.op.get_attr("dtype"))
        value = tf.compat.v1.placeholder(dtype)
        if variable.is_resource:
            operation = tf.raw_ops.AssignVariableOp(resource=target, value=value)
        else:
            operation = tf.raw_ops.Assign(ref=target, value=value, validate_shape=False).op
    return _Assignment(operation, value, dtype.as_numpy_dtype)


def _chunks(
    assignments: list[tuple[_Assignment, str]], shapes: Mapping[str, list[int]]
) -> Iterator[list[tuple[_Assignment, str]]]:
    """Few runs, because each prepares the graph again; but not all weights in memory at once."""
    chunk: list[tuple[_Assignment, str]] = []
    values = 0
    for assignment, name in assignments:
        chunk.append((assignment, name))
        values += math.prod(shapes[name])
        if values > _VALUES_PER_RUN:
            yield chunk
            chunk, values = [], 0
    yield chunk
