"""TF2 object checkpoints, with a builder that makes the model."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import CheckpointError, ExportError, SpecError
from tendies_ops.export.network import Provenance
from tendies_ops.export.sources.builder import call_builder, describe_error, load_builder
from tendies_ops.export.sources.checkpoint_files import checkpoint_files, digest_of_files, step_of
from tendies_ops.export.sources.keras2_checkpoint import keys_by_layers
from tendies_ops.export.sources.model_network import ModelNetwork
from tendies_ops.export.sources.tf1_checkpoint import placeholder_shape
from tendies_ops.export.sources.variables import mapped_name, missing_with_nearest, open_checkpoint, read_tensor
from tendies_ops.spec import Contract, SourceSpec

if TYPE_CHECKING:
    import tensorflow as tf

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
#: Parts of a training checkpoint that no inference graph has.
_TRAINING_ONLY = ("optimizer", "save_counter", ".OPTIMIZER_SLOT", "_iterations", "global_step")


def open_tf2_checkpoint(prefix: Path, source: SourceSpec, contract: Contract) -> ModelNetwork:
    """
    Build the model, and restore the checkpoint into it.

    :raises TendiesError: the builder fails, or model and checkpoint do not fit.
    """
    if source.builder is None:
        raise SpecError(
            f"{prefix} is a TF2 object checkpoint, which holds weights and no graph. "
            "Give source.builder: a Python function that returns the model (tf.Module or keras.Model)."
        )
    model = build_model(source, contract)
    unused = restore_objects(model, prefix, source.variable_map)
    return ModelNetwork(
        model,
        inference_call(model),
        contract=contract,
        provenance=Provenance(
            "tf2_checkpoint", str(prefix), digest_of_files(checkpoint_files(prefix)), step_of(prefix), unused
        ),
        source=source,
    )


def build_model(source: SourceSpec, contract: Contract) -> Any:
    """
    Call the builder, then the model once, so that layers which make their variables late have made them.

    :raises ExportError: the builder or the model raised, or what it returned cannot be called.
    """
    import tensorflow as tf

    reference = str(source.builder)
    model = call_builder(reference, load_builder(reference), **source.builder_arguments)
    if not callable(model) or not hasattr(model, "_trackable_children"):
        raise ExportError(
            f"The builder {reference} returned {type(model).__name__}; a tf.Module or keras.Model that can be called "
            "with the picture tensor is needed."
        )
    shape = [dim or 1 if axis == 0 else dim or 32 for axis, dim in enumerate(placeholder_shape(contract))]
    if not contract.extra_inputs:
        try:
            inference_call(model)(tf.zeros(shape, contract.input.dtype), **source.constants)
        except Exception as error:
            raise ExportError(
                f"The model of {reference} raised on a picture tensor {shape}: {describe_error(error)}."
            ) from error
    return model


def inference_call(model: Any) -> Callable[..., Any]:
    """Call ``model.__call__`` with ``training=False`` if it accepts that and the caller does not set it."""
    call = getattr(model, "call", None) or model.__call__
    try:
        takes_training = "training" in inspect.signature(call).parameters
    except (TypeError, ValueError):
        takes_training = False
    return (lambda *args, **kwargs: model(*args, **{"training": False, **kwargs})) if takes_training else model


def restore_objects(model: Any, prefix: Path, variable_map: Mapping[str, str]) -> tuple[str, ...]:
    """
    Set every variable of ``model``.

    The model may be the checkpoint's root or any attribute of it (``tf.train.Checkpoint(generator=model)``): the
    place where most variables match is taken, and there must be one only.

    :return: names in the checkpoint that the model does not have, but for an optimizer's.
    :raises CheckpointError: a variable is missing, has another shape or is not finite, or the checkpoint holds several
        such models.
    """
    reader = open_checkpoint(prefix)
    shapes: dict[str, list[int]] = reader.get_variable_to_shape_map()
    variables = variables_by_path(model)
    if not variables:
        raise ExportError("The builder's model has no variables, so there is nothing to restore. Are they attributes?")
    keys = _best_match(variables, _object_graph(reader, prefix), shapes, variable_map, prefix)
    if len(keys) < len(variables):
        keys = keys_by_layers(model, variables, shapes) or keys
    missing = {path: mapped_name(path, variable_map) for path in variables if path not in keys}
    if missing:
        available = {name.removesuffix(_VALUE): shape for name, shape in shapes.items() if name.endswith(_VALUE)}
        own = {path: tuple(variables[path].shape) for path in missing}
        raise CheckpointError(
            f"{len(missing)} of {len(variables)} variables of the model are not in {prefix}: "
            f"{missing_with_nearest(missing, own, available)}. If they only have other names there, map them in "
            "source.variable_map."
        )
    _assign_all(variables, keys, reader, prefix)
    used = set(keys.values())
    return tuple(
        name.removesuffix(_VALUE)
        for name in sorted(shapes)
        if name.endswith(_VALUE) and name not in used and not any(word in name for word in _TRAINING_ONLY)
    )


def variables_by_path(model: Any) -> dict[str, Any]:
    """Object path (``down/conv/kernel``) -> variable, breadth first as ``tf.train.Checkpoint`` names them."""
    import tensorflow as tf

    found: dict[str, Any] = {}
    seen = {id(model)}
    queue: deque[tuple[str, Any]] = deque([("", model)])
    while queue:
        path, node = queue.popleft()
        if isinstance(node, tf.Variable) or _is_keras_variable(node):
            found[path] = node
            continue
        for name, child in tf.train.TrackableView.children(node).items():
            if id(child) not in seen:
                seen.add(id(child))
                queue.append((f"{path}/{name}".lstrip("/"), child))
    return found


def _is_keras_variable(node: Any) -> bool:
    return hasattr(node, "assign") and hasattr(node, "shape") and hasattr(node, "dtype")


def _object_graph(reader: tf.train.CheckpointReader, prefix: Path) -> Any:
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    if not reader.has_tensor(OBJECT_GRAPH_KEY):
        raise CheckpointError(f"{prefix} has no object graph, so it is not a TF2 object checkpoint.")
    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(reader.get_tensor(OBJECT_GRAPH_KEY))
    return graph


def _best_match(
    variables: Mapping[str, Any],
    graph: Any,
    shapes: Mapping[str, list[int]],
    variable_map: Mapping[str, str],
    prefix: Path,
) -> dict[str, str]:
    """Match path by path below each place of the checkpoint where the model may sit; its root goes first."""
    by_name = {path: mapped_name(path, variable_map) + _VALUE for path in variables}
    at_root = [_match_below(0, variables, graph, variable_map)] if graph.nodes else []
    at_root.append({path: key for path, key in by_name.items() if key in shapes})
    best = max(at_root, key=len)
    if len(best) == len(variables) or not graph.nodes:
        return best
    below = {
        child.local_name: _match_below(child.node_id, variables, graph, variable_map)
        for child in graph.nodes[0].children
    }
    fitting = {name: keys for name, keys in below.items() if _fits(variables, keys, shapes)}
    _require_one(fitting, prefix)
    return max([*fitting.values(), best, *below.values()], key=len)


def _fits(variables: Mapping[str, Any], keys: Mapping[str, str], shapes: Mapping[str, list[int]]) -> bool:
    return all(path in keys and shapes[keys[path]] == list(variable.shape) for path, variable in variables.items())


def _require_one(fitting: Mapping[str, Mapping[str, str]], prefix: Path) -> None:
    """Refuse several: a CycleGAN has two generators of one build, and an averaged copy has its original's names."""
    if len({tuple(sorted(keys.items())) for keys in fitting.values()}) > 1:
        names = sorted(fitting)
        raise CheckpointError(
            f"The model is in {prefix} more than once: as {', '.join(names)}. Name the right one: "
            f'source.variable_map: {{"(.*)": "{names[-1]}/\\\\1"}}.'
        )


def _match_below(
    root: int, variables: Mapping[str, Any], graph: Any, variable_map: Mapping[str, str]
) -> dict[str, str]:
    matched = {}
    for path in variables:
        node = root
        for part in mapped_name(path, variable_map).split("/"):
            node = next((c.node_id for c in graph.nodes[node].children if c.local_name == part), -1)
            if node < 0:
                break
        keys = (
            [a.checkpoint_key for a in graph.nodes[node].attributes if a.name == "VARIABLE_VALUE"] if node >= 0 else []
        )
        if keys:
            matched[path] = keys[0]
    return matched


def _assign_all(
    variables: Mapping[str, Any], keys: Mapping[str, str], reader: tf.train.CheckpointReader, prefix: Path
) -> None:
    shapes: dict[str, list[int]] = reader.get_variable_to_shape_map()
    wrong = [
        f"{path} is {list(variable.shape)} in the model and {shapes[keys[path]]} in the checkpoint"
        for path, variable in variables.items()
        if list(variable.shape) != shapes[keys[path]]
    ]
    if wrong:
        raise CheckpointError(
            f"{len(wrong)} of {len(variables)} variables have another shape in {prefix}: {'; '.join(wrong[:8])}. "
            "The builder makes another network than the one that was trained; check its arguments."
        )
    for path, variable in variables.items():
        variable.assign(read_tensor(reader, keys[path], prefix))
