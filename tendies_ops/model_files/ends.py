"""Finding the inputs and outputs of a graph that has no signature, and values for its other inputs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tendies_ops.model_files.description import Shape, Tensor
from tendies_ops.model_files.graph import Node

_PLACEHOLDERS = {"Placeholder", "PlaceholderV2", "PlaceholderWithDefault"}
_PICTURE_RANK, _CHANNELS = 4, (1, 3, 4)
_NUMBERS = {"float32", "float16", "bfloat16", "float64", "uint8"}
#: Operations that give nothing a client wants, though nothing uses what they give.
_USELESS = re.compile(
    r"(Ref)?Switch|Assert|NoOp|.*Summary.*|.*Assign.*|.*(Save|Restore).*|Apply.*|ResourceApply.*|Shape(N)?|Size|Rank"
    r"|Print.*|ControlTrigger|StopGradient|Broadcast.*Args|.*Grad.*|Const|LoopCond|Enter|Exit|NextIteration|Merge"
)
_TRAINING = re.compile(r"(^|/)(gradients|train|optimizer|Adam|save|report_uninitialized_variables|init)(_\d+)?(/|$)")
#: Operations that end networks, with the rank of what they give.
_FINAL = {"Tanh": 4, "Sigmoid": 4, "ClipByValue": 4, "DepthToSpace": 4, "Softmax": 2, "ArgMax": 3}
_NAMED = re.compile(
    r"out|result|gen|fake|pred|prob|score|softmax|sigmoid|tanh|logits|detection|class|box", re.IGNORECASE
)
#: Operations that hand on the values of their first input.
_PASSED_ON = {"Squeeze", "Identity", "Cast", "StopGradient", "StridedSlice", "ReadVariableOp"}
#: Layers: the axis of their second input that is as long as they give channels.
_WEIGHTS = {
    **dict.fromkeys(("Conv2D", "_FusedConv2D", "QuantizedConv2D", "MatMul", "BiasAdd", "FusedBatchNormV3"), -1),
    "Conv2DBackpropInput": -2,
}
_TRAINING_FLAG = re.compile(r"(is_)?train(ing)?|phase|learning_phase|mode", re.IGNORECASE)
_KEPT_SHARE = re.compile(r"keep", re.IGNORECASE)
_DROPPED_SHARE = re.compile(r"drop", re.IGNORECASE)


@dataclass(frozen=True)
class Ends:
    """Inputs and outputs of a graph, the likeliest first."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    further_inputs: tuple[Tensor, ...] = ()


def find_ends(nodes: Sequence[Node]) -> Ends:
    """Look for the ends of a network in a graph that has no signature."""
    graph = _Graph(nodes)
    free = [node for node in nodes if node.op in _PLACEHOLDERS]
    pictures = [tensor for tensor in map(graph.tensor, free) if is_picture(tensor)]
    of_rank = [tensor for tensor in pictures if tensor.shape]
    pictures = sorted(of_rank or pictures, key=_likeliness_of_input, reverse=True)
    outputs = graph.outputs_of(pictures[0].name) if pictures else ()
    needed = graph.below(outputs[0].name) if outputs else set()
    others = [n.as_tensor() for n in free if n.op != "PlaceholderWithDefault" and n.name in needed]
    constants, further = bind_known([tensor for tensor in others if tensor.name != pictures[0].name])
    return Ends(tuple(pictures), outputs, constants, further)


def is_picture(tensor: Tensor) -> bool:
    """Return True for numbers of rank 4, or of no rank that is known: placeholders of old graphs have none."""
    if tensor.dtype not in _NUMBERS:
        return False
    shape = tensor.shape
    if not shape:
        return True
    return len(shape) == _PICTURE_RANK and (shape[3] in (*_CHANNELS, None) or shape[1] in _CHANNELS)


def _likeliness_of_input(tensor: Tensor) -> tuple[bool, bool]:
    named = re.search(r"im(age|g)|input|pic|photo|x$|real", tensor.name, re.IGNORECASE) is not None
    return bool(tensor.shape) and tensor.shape is not None and tensor.shape[-1] in _CHANNELS, named


def bind_known(tensors: Iterable[Tensor]) -> tuple[dict[str, Any], tuple[Tensor, ...]]:
    """
    Set the inputs that many networks have in common to their values at inference.

    :return: name -> value, as ``source.constants`` takes it; and the inputs that no rule knows.
    """
    known: dict[str, Any] = {}
    further = []
    for tensor in tensors:
        value = _known_value(tensor)
        if value is None:
            further.append(tensor)
        else:
            known[tensor.name.removesuffix(":0")] = value
    return known, tuple(further)


def _known_value(tensor: Tensor) -> Any:
    name, shape = tensor.name.rsplit("/", 1)[-1], tensor.shape
    if tensor.dtype == "bool" or (_TRAINING_FLAG.search(name) and not shape):
        return False if tensor.dtype == "bool" else 0
    if _KEPT_SHARE.search(name) and not shape:
        return 1.0
    if _DROPPED_SHARE.search(name) and not shape:
        return 0.0
    if tensor.dtype.startswith("float") and shape and len(shape) == 1 and (shape[0] or 0) > 1:
        return {"one_hot": [0, shape[0]]}
    return None


class _Graph:
    """The nodes by name, and who takes the values of whom."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.order = {node.name: number for number, node in enumerate(nodes)}
        self.users: dict[str, list[str]] = {}
        for node in nodes:
            for name in node.inputs:
                self.users.setdefault(name, []).append(node.name)

    def tensor(self, node: Node, why: str = "") -> Tensor:
        return node.as_tensor(why, node.shape if node.shape is not None else self._guessed_shape(node))

    def outputs_of(self, picture: str) -> tuple[Tensor, ...]:
        """Return what the network may give for a picture: what nothing else uses, and what ends as networks do."""
        reached = self._above(picture)
        useful = [self.nodes[n] for n in reached if not self._is_useless(self.nodes[n]) and n != picture]
        names = {node.name for node in useful}
        last = [self._before_passing(n) for n in useful if names.isdisjoint(self.users.get(n.name, ()))]
        final = [n for n in useful if n.op in _FINAL and _NAMED.search(n.name) and n not in last]
        found = {node.name: self.tensor(node, self._why(node, node in last)) for node in (*last, *final)}
        tensors = [tensor for tensor in found.values() if tensor.shape != ()]  # one number is a loss
        ranked = sorted(tensors, key=lambda tensor: self._likeliness(tensor, last), reverse=True)
        return tuple(ranked[:12])

    def below(self, name: str) -> set[str]:
        """Return ``name`` and all that it is computed from."""
        return _closure([name], lambda n: self.nodes[n].inputs if n in self.nodes else ())

    def _above(self, name: str) -> set[str]:
        return _closure([name], lambda n: self.users.get(n, ()))

    def _is_useless(self, node: Node) -> bool:
        return _USELESS.fullmatch(node.op) is not None or _TRAINING.search(node.name) is not None

    def _before_passing(self, node: Node) -> Node:
        """Step back over what takes a picture out of its batch: a spec names pictures of rank 4."""
        passed = node
        while passed.op in _PASSED_ON and passed.inputs and passed.inputs[0] in self.nodes:
            passed, before = self.nodes[passed.inputs[0]], passed
            if before.op == "Squeeze":
                return passed
        return node

    def _why(self, node: Node, is_last: bool) -> str:
        reasons = ["nothing else in the graph uses it"] if is_last else []
        if node.op in _FINAL:
            reasons.append(f"networks end in {node.op}")
        if _NAMED.search(node.name.rsplit("/", 1)[-1]):
            reasons.append("its name shows it")
        return ", ".join(reasons)

    def _likeliness(self, tensor: Tensor, last: Collection[Node]) -> tuple[int, int]:
        node = self.nodes[tensor.name]
        shape = tensor.shape
        is_picture_like = shape is not None and len(shape) == _PICTURE_RANK and shape[-1] in _CHANNELS
        points = 2 * is_picture_like + (node.op in _FINAL) + (node in last)
        points += _NAMED.search(node.name.rsplit("/", 1)[-1]) is not None
        return points, self.order[node.name]

    def _guessed_shape(self, node: Node) -> Shape | None:
        """Read the channels off the weights of the last layer before a node without a shape."""
        for _ in range(12):
            weights = self._constant_shape(node.inputs[1]) if node.op in _WEIGHTS and len(node.inputs) > 1 else None
            if weights:
                channels = weights[_WEIGHTS[node.op]] if len(weights) > 1 else weights[0]
                return (None, channels) if node.op == "MatMul" else (None, None, None, channels)
            if not node.inputs or node.inputs[0] not in self.nodes:
                return None
            node = self.nodes[node.inputs[0]]
        return None

    def _constant_shape(self, name: str) -> Shape | None:
        node = self.nodes.get(name)
        while node is not None and node.op in _PASSED_ON and node.inputs:
            node = self.nodes.get(node.inputs[0])
        return node.shape if node is not None else None


def _closure(roots: Iterable[str], following: Any) -> set[str]:
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(following(name))
    return found
