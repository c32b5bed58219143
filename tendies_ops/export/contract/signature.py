"""
The serving signature: a batch of N files of any sizes in, N answers out.

    files [N] -> sizes from the headers -> groups of equal size
          -> decode, network, encode for each group -> answers in the order of the files

A network for any batch gets each group as one true batch; a network for one picture gets groups of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tendies_ops.export.contract.decode import decode_file, picture_sizes, to_network_size, to_network_values
from tendies_ops.export.contract.encode import classes_name, finish_output, merge, scores_name
from tendies_ops.export.network import IMAGE, FrozenNetwork, Input
from tendies_ops.spec import Contract, InputContract

if TYPE_CHECKING:
    import tensorflow as tf


PREDICT_METHOD = "tensorflow/serving/predict"
CLASSIFY_METHOD = "tensorflow/serving/classify"
REGRESS_METHOD = "tensorflow/serving/regress"
#: The feature of a tf.Example that holds the file, for classify and regress requests.
FILE_FEATURE = "input_bytes"
_RANK_OF_A_PICTURE = 3


@dataclass(frozen=True)
class Signature:
    """One signature: its ends in the graph."""

    inputs: Mapping[str, tf.Tensor]
    outputs: Mapping[str, tf.Tensor]
    method: str


@dataclass(frozen=True)
class ServingGraph:
    """The graph that is served."""

    graph: tf.Graph
    signatures: Mapping[str, Signature]


@dataclass(frozen=True)
class Plan:
    """The parts that the graph is built from."""

    network: FrozenNetwork
    inputs: Mapping[str, Input]
    contract: Contract
    joined: Mapping[str, FrozenNetwork] = field(default_factory=dict)  #: extra input -> what turns a picture into it

    @property
    def one_by_one(self) -> bool:
        """Return whether the network is given one picture at a time."""
        return self.contract.input.batch_size == 1 or self.network.one_picture or self._takes_one_further_picture

    @property
    def _takes_one_further_picture(self) -> bool:
        """Return whether the network has room for a single further picture, such as one style a batch."""
        shapes = [self.inputs[name].shape for name, one in self.contract.extra_inputs.items() if one.picture]
        return any(shape is not None and (len(shape) == _RANK_OF_A_PICTURE or shape[0] == 1) for shape in shapes)


def build_serving_graph(plan: Plan) -> ServingGraph:
    """Build the graph from files to answers."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        examples = tf.compat.v1.placeholder(tf.string, [None], name="examples")
        files = _file_placeholder(plan, examples)
        extra = {name: _extra_placeholder(plan, name) for name in plan.contract.extra_inputs}
        sizes = picture_sizes(files, plan.contract.input)
        values = {name: _row_values(plan, name, tensor, tf.shape(files)[0]) for name, tensor in extra.items()}
        if plan.contract.input.size is not None and not plan.one_by_one:
            results = _answer_group(plan, files, sizes, values)
        else:
            results = _answer_by_groups(plan, files, sizes, values)
        outputs = {name: tf.identity(tensor, name=name) for name, tensor in results.items()}
    predict = Signature({"input_bytes": files, **extra}, outputs, PREDICT_METHOD)
    return ServingGraph(graph, {"serving_default": predict, **_example_signatures(plan, examples, outputs)})


def _file_placeholder(plan: Plan, examples: tf.Tensor) -> tf.Tensor:
    """
    Return where the files come in.

    For classify and regress they come out of tf.Examples. The default of the placeholder parses those, so that one
    copy of the network serves all signatures.
    """
    import tensorflow as tf

    if not _kinds(plan) & {"classification", "regression"} or plan.contract.extra_inputs:
        return tf.compat.v1.placeholder(tf.string, [None], name="input_bytes")
    parsed = tf.io.parse_example(examples, {FILE_FEATURE: tf.io.FixedLenFeature([], tf.string)})
    return tf.compat.v1.placeholder_with_default(parsed[FILE_FEATURE], [None], name="input_bytes")


def _kinds(plan: Plan) -> set[str]:
    return {plan.contract.for_output(name).kind for name in plan.network.outputs}


def _example_signatures(plan: Plan, examples: tf.Tensor, outputs: Mapping[str, tf.Tensor]) -> dict[str, Signature]:
    """Signatures ``classify`` and ``regress``, with the names that Model Server asks for (``signature_constants``)."""
    signatures: dict[str, Signature] = {}
    for name in () if plan.contract.extra_inputs else plan.network.outputs:
        kind = plan.contract.for_output(name).kind
        if kind == "classification":
            ends = {"scores": outputs[scores_name(name)]}
            if classes_name(name) in outputs:
                ends["classes"] = outputs[classes_name(name)]
            signatures.setdefault("classify", Signature({"inputs": examples}, ends, CLASSIFY_METHOD))
        elif kind == "regression":
            ends = {"outputs": outputs[name]}
            signatures.setdefault("regress", Signature({"inputs": examples}, ends, REGRESS_METHOD))
    return signatures


def _extra_placeholder(plan: Plan, name: str) -> tf.Tensor:
    import tensorflow as tf

    if plan.contract.extra_inputs[name].one_hot is not None:
        return tf.compat.v1.placeholder(tf.int32, [None], name=name)
    if plan.contract.extra_inputs[name].picture is not None:
        return tf.compat.v1.placeholder(tf.string, [None], name=name)
    network_input = plan.inputs[name]
    inner = list(network_input.shape or [])
    shape = [None, *inner] if not _is_batched(plan, name) else [None, *inner[1:]]
    return tf.compat.v1.placeholder(network_input.dtype, shape, name=name)


def _is_batched(plan: Plan, name: str) -> bool:
    """Return whether the network's own tensor has a batch dimension."""
    shape = plan.inputs[name].shape
    if plan.contract.extra_inputs[name].one_hot is not None:
        return shape is None or len(shape) == 2
    return plan.contract.input.batch_size != 1


def _answer_by_groups(
    plan: Plan, files: tf.Tensor, sizes: tf.Tensor, extra: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Run over groups of pictures of one size, then put the answers back into the order of the files."""
    import tensorflow as tf

    count = tf.shape(files)[0]
    if plan.one_by_one:
        groups, group_count = tf.range(count), count
    else:
        keys = tf.cast(sizes[:, 0], tf.int64) * (1 << 31) + tf.cast(sizes[:, 1], tf.int64)
        distinct, groups = tf.unique(keys)
        group_count = tf.size(distinct)
    probe = _output_specs(plan, files, sizes, extra)
    arrays = [
        tf.TensorArray(spec.dtype, size=group_count, infer_shape=False, element_shape=spec.shape)
        for spec in probe.values()
    ]

    def body(index: tf.Tensor, arrays: list[tf.TensorArray]) -> tuple[tf.Tensor, list[tf.TensorArray]]:
        members = tf.where(tf.equal(groups, index))[:, 0]
        picked = {name: tf.gather(tensor, members) for name, tensor in extra.items()}
        answers = _answer_group(plan, tf.gather(files, members), tf.gather(sizes, members), picked)
        return index + 1, [array.write(index, answers[name]) for array, name in zip(arrays, probe, strict=True)]

    _, arrays = tf.while_loop(
        lambda index, _: index < group_count, body, (tf.constant(0), arrays), parallel_iterations=2
    )
    back = tf.math.invert_permutation(tf.argsort(groups, stable=True))
    return {name: tf.gather(array.concat(), back) for name, array in zip(probe, arrays, strict=True)}


def _output_specs(
    plan: Plan, files: tf.Tensor, sizes: tf.Tensor, extra: Mapping[str, tf.Tensor]
) -> dict[str, tf.TensorSpec]:
    """Trace the group once in a graph that is thrown away, to know names, dtypes and shapes of the answers."""
    import tensorflow as tf

    with tf.Graph().as_default():
        stand_ins = {name: tf.compat.v1.placeholder(t.dtype, t.shape) for name, t in extra.items()}
        answers = _answer_group(
            plan,
            tf.compat.v1.placeholder(files.dtype, [None]),
            tf.compat.v1.placeholder(sizes.dtype, [None, 2]),
            stand_ins,
        )
        return {name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype) for name, tensor in answers.items()}


def _answer_group(
    plan: Plan, files: tf.Tensor, sizes: tf.Tensor, extra: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Decode K pictures that reach the network with one size, run it once, encode."""
    contract = plan.contract
    resized = contract.input.size is not None and contract.input.resize != "exact"
    pixels = _decode_all(files, sizes, contract.input)
    feeds = {IMAGE: to_network_values(pixels, contract.input)}
    feeds |= {name: _extra_feed(plan, name, value) for name, value in extra.items()}
    results = plan.network.apply(feeds)
    return merge(
        [
            finish_output(name, values, sizes, contract.for_output(name), was_resized=resized)
            for name, values in results.items()
        ]
    )


def _decode_all(files: tf.Tensor, sizes: tf.Tensor, contract: InputContract) -> tf.Tensor:
    """Decode pictures that reach the network with one size."""
    import tensorflow as tf

    def decode(element: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        file, size = element
        with tf.control_dependencies([size]):  # the guard comes before the decoder
            return to_network_size(decode_file(tf.identity(file), contract), contract)

    fixed = contract.size
    shape = [fixed.height if fixed else None, fixed.width if fixed else None, contract.channels]
    resized = fixed is not None and contract.resize != "exact"
    spec = tf.TensorSpec(shape, tf.float32 if resized else tf.uint8)
    return tf.map_fn(decode, (files, sizes), fn_output_signature=spec)


def _row_values(plan: Plan, name: str, tensor: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """
    Return a value for each picture of the request.

    A further picture is decoded; a single one is for all pictures, so that a client need not repeat its bytes.
    """
    import tensorflow as tf

    contract = plan.contract.extra_inputs[name].picture
    if contract is None:
        return tensor
    pixels = _decode_all(tensor, picture_sizes(tensor, contract), contract)
    rows = tf.where(tf.equal(tf.shape(tensor)[0], 1), tf.zeros([count], tf.int32), tf.range(count))
    values = to_network_values(pixels, contract)
    if name in plan.joined:
        [values] = plan.joined[name].apply({IMAGE: values}).values()
    return tf.gather(values, rows)


def _extra_feed(plan: Plan, name: str, value: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    one, shape = plan.contract.extra_inputs[name], plan.inputs[name].shape
    if one.picture is not None:
        return value[0] if shape is not None and len(shape) == _RANK_OF_A_PICTURE else value
    if one.one_hot is not None:
        value = tf.one_hot(value, one.one_hot, dtype=plan.inputs[name].dtype)
    return value if _is_batched(plan, name) else value[0]
