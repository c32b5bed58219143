"""A network given as a GraphDef, with variables or without, run in a session of its own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ExportError, SpecError, UntrustedModelError
from tendies_ops.export.network import IMAGE, Arrays, FrozenNetwork, Input, Provenance, Shape
from tendies_ops.export.sources.graph_checks import Permission, keep_called_functions, without_refused
from tendies_ops.graphs import explain_refusal

if TYPE_CHECKING:
    import tensorflow as tf

_SHOWN = 8  #: candidates in an error


class GraphNetwork:
    """
    One GraphDef in one session. Variables are set by :func:`~.variables.load_variables` on ``session``.

    :param extra_inputs: name in the signature -> tensor name.
    :param output_tensors: output -> tensor name; empty: the one that there is.
    :param permission: what the graph may do besides computing.
    :raises UntrustedModelError: the network would do more than compute; TensorFlow has not seen the graph then.
    """

    def __init__(
        self,
        graph_def: tf.compat.v1.GraphDef,
        *,
        input_tensor: str | None,
        extra_inputs: Mapping[str, str],
        output_tensors: Mapping[str, str],
        provenance: Provenance,
        permission: Permission,
    ) -> None:
        import tensorflow as tf

        self.provenance = provenance
        subject = f"The graph of {provenance.checkpoint}"
        fed = [name for name in (input_tensor, *extra_inputs.values()) if name]
        refused = without_refused(graph_def, permission, outputs=output_tensors.values(), fed=fed, subject=subject)
        self.graph = tf.Graph()
        with self.graph.as_default():
            try:
                tf.graph_util.import_graph_def(graph_def, name="")
            except (ValueError, tf.errors.OpError) as error:
                raise ExportError(
                    f"The graph of {provenance.checkpoint} does not load: {' '.join(str(error).split())[:400]}."
                ) from error
        try:
            image = tensor_name(self.graph, input_tensor) if input_tensor else _only_image_placeholder(self.graph)
            names = {key: tensor_name(self.graph, name) for key, name in output_tensors.items()}
            self._output_names = names or {"output": _only_output(self.graph, image)}
        except SpecError as error:
            if refused:  # it has no network without them
                raise UntrustedModelError(f"{explain_refusal(refused, subject=subject)} {error}") from error
            raise
        self._input_names = {IMAGE: image, **{k: tensor_name(self.graph, v) for k, v in extra_inputs.items()}}
        self._needed = extract_subgraph(graph_def, list(self._output_names.values()))
        _require_fed(self._needed, set(self._input_names.values()))
        self.inputs = {name: _describe(self.graph, tensor) for name, tensor in self._input_names.items()}
        self.outputs = tuple(self._output_names)
        self.session = tf.compat.v1.Session(graph=self.graph)

    @property
    def needed_graph_def(self) -> tf.compat.v1.GraphDef:
        """Only what the outputs depend on."""
        return self._needed

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        """Run the session."""
        feed_dict = {self._input_names[name]: value for name, value in feeds.items()}
        values = self.session.run(list(self._output_names.values()), feed_dict)
        return {name: np.asarray(value) for name, value in zip(self.outputs, values, strict=True)}

    def freeze(self) -> FrozenNetwork:
        """Turn the variables into constants and close the session."""
        import tensorflow as tf

        nodes = [name.split(":")[0] for name in self._output_names.values()]
        with self.graph.as_default():
            self._add_reads()
            frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
                self.session, self.graph.as_graph_def(add_shapes=False), nodes
            )
        self.session.close()
        for node in frozen.node:
            node.device = ""
        keep_called_functions(frozen)
        return FrozenNetwork.of(frozen, dict(self._input_names), dict(self._output_names))

    def _add_reads(self) -> None:
        """Give each variable the read operation that TensorFlow's converter looks for; SavedModels have none."""
        import tensorflow as tf

        names = set(_node_names(self.graph))
        for operation in self.graph.get_operations():
            read = f"{operation.name}/Read/ReadVariableOp"
            if operation.type == "VarHandleOp" and read not in names:
                tf.raw_ops.ReadVariableOp(resource=operation.outputs[0], dtype=operation.get_attr("dtype"), name=read)


def extract_subgraph(graph_def: tf.compat.v1.GraphDef, tensors: list[str]) -> tf.compat.v1.GraphDef:
    """Keep the nodes that ``tensors`` depend on."""
    import tensorflow as tf

    kept: tf.compat.v1.GraphDef = tf.compat.v1.graph_util.extract_sub_graph(
        graph_def, [name.split(":")[0] for name in tensors]
    )
    return kept


def bind_constants(graph_def: tf.compat.v1.GraphDef, constants: Mapping[str, Any]) -> None:
    """
    Replace inputs by constants, in place.

    :param constants: node or tensor name -> number, flag, list, or ``{one_hot: [index, depth]}``.
    :raises SpecError: there is no such node, or the value does not fit it.
    """
    import tensorflow as tf

    nodes = {node.name: node for node in graph_def.node}
    for name, value in constants.items():
        node = nodes.get(name.split(":")[0])
        if node is None:
            raise SpecError(f"source.constants: the graph has no node `{name}`. {_nearest(name, list(nodes))}")
        dtype = tf.as_dtype(node.attr["dtype"].type or node.attr["T"].type)
        try:
            tensor = tf.make_tensor_proto(constant_value(value, dtype.as_numpy_dtype), dtype=dtype)
        except (TypeError, ValueError) as error:
            raise SpecError(f"source.constants: {value!r} does not fit `{name}` ({dtype.name}): {error}.") from error
        del node.input[:]
        node.op = "Const"
        node.attr.clear()
        node.attr["dtype"].type = dtype.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tensor)


def constant_value(value: Any, dtype: Any) -> NDArray[Any]:
    """``{one_hot: [index, depth]}`` or a plain value, as an array of ``dtype``."""
    if isinstance(value, Mapping):
        try:
            index, depth = value["one_hot"]
        except (KeyError, TypeError, ValueError):
            raise SpecError(f"source.constants: expected `one_hot: [index, depth]`; found {dict(value)}.") from None
        if not 0 <= index < depth:
            raise SpecError(f"source.constants: one_hot index {index} is not in 0..{depth - 1}.")
        row: NDArray[Any] = np.eye(depth, dtype=dtype)[index]
        return row
    return np.asarray(value, dtype=dtype)


def tensor_name(graph: tf.Graph, name: str) -> str:
    """
    Complete ``node`` to ``node:0`` and check that it is there.

    :raises SpecError: it is not; the nearest names are listed.
    """
    full = name if ":" in name else f"{name}:0"
    try:
        graph.get_tensor_by_name(full)
    except (KeyError, ValueError):
        raise SpecError(f"The graph has no tensor `{full}`. {_nearest(name, _node_names(graph))}") from None
    return full


def _nearest(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name.split(":", maxsplit=1)[0], names, n=3, cutoff=0.5)
    return f"Nearest: {', '.join(close)}." if close else f"It has {len(names)} nodes, the last is {names[-1]}."


def _node_names(graph: tf.Graph) -> list[str]:
    return [operation.name for operation in graph.get_operations()]


def _only_image_placeholder(graph: tf.Graph) -> str:
    placeholders = [op for op in graph.get_operations() if op.type in ("Placeholder", "PlaceholderWithDefault")]
    for ranks in ((None, 4), (3,)):  # a picture without a batch, if nothing else can be one
        images = [op for op in placeholders if op.outputs[0].shape.rank in ranks]
        if len(images) == 1:
            return str(images[0].outputs[0].name)
    found = ", ".join(f"{op.name} {op.outputs[0].shape}" for op in placeholders) or "none"
    raise SpecError(
        f"Name the input that is the picture with source.input_tensor.  Placeholders of the graph: {found}."
    )


def _only_output(graph: tf.Graph, image: str) -> str:
    """Find the one floating-point tensor that is computed from the picture and that nothing else uses."""
    sinks = [
        tensor
        for tensor in _computed_from(graph.get_tensor_by_name(image))
        if not tensor.consumers() and tensor.dtype.is_floating and tensor.name != image and not _is_by_product(tensor)
    ]
    pictures = [tensor for tensor in sinks if tensor.shape.rank == 4]
    found = pictures if len(pictures) == 1 else sinks
    if len(found) == 1:
        return str(found[0].name)
    names = ", ".join(f"{tensor.name} {tensor.shape}" for tensor in sinks[: -_SHOWN - 1 : -1]) or "none"
    more = f" and {len(sinks) - _SHOWN} more" if len(sinks) > _SHOWN else ""
    raise SpecError(
        f"Name the output tensors with source.output_tensors. Candidates, the last of the graph first: {names}{more}."
    )


def _is_by_product(tensor: tf.Tensor) -> bool:
    """Return True for dead branches, gradients, and statistics that normalisations give besides their result."""
    operation = tensor.op
    is_further = tensor.name.endswith(":0") is False and operation.type.startswith(("FusedBatchNorm", "_Fused"))
    return is_further or operation.type in ("Switch", "RefSwitch") or operation.name.startswith("gradients/")


def _computed_from(tensor: tf.Tensor) -> list[tf.Tensor]:
    """``tensor`` and all that depend on it, in a fixed order."""
    found = [tensor]
    seen = {tensor.name}
    for current in found:  # grows while it is read
        for operation in current.consumers():
            fresh = [output for output in operation.outputs if output.name not in seen]
            seen.update(output.name for output in fresh)
            found.extend(fresh)
    return found


def _require_fed(graph_def: tf.compat.v1.GraphDef, fed: set[str]) -> None:
    missing = [n.name for n in graph_def.node if n.op == "Placeholder" and f"{n.name}:0" not in fed]
    if missing:
        raise SpecError(
            f"The graph also needs {', '.join(missing)}. Give each a value in source.constants, such as "
            f"`{missing[0]}: false`, or let requests set it with contract.extra_inputs."
        )


def _describe(graph: tf.Graph, name: str) -> Input:
    tensor = graph.get_tensor_by_name(name)
    # An empty shape on a placeholder meant "unknown" to TensorFlow before 1.0; no picture is a scalar, but a file is.
    unknown = tensor.shape.rank is None or (tensor.shape.rank == 0 and tensor.dtype.name != "string")
    shape: Shape | None = None if unknown else tuple(tensor.shape.as_list())
    return Input(tensor.dtype.base_dtype.name, shape)
