"""
The classify and regress methods.

Source: tensorflow/serving servables/tensorflow/classifier.cc, regressor.cc; answers from util/json_tensor.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from tendies_ops.server.json_pretty import PrettyWriter, quoted
from tendies_ops.server.signature_text import signature_text
from tendies_ops.server.signatures import DEFAULT_SIGNATURE, Signature
from tendies_ops.server.status import StatusError, invalid_argument
from tendies_ops.server.tensors import DTYPES, NUMBER_OF, NumberTensor, StringTensor, Tensor
from tendies_ops.server.tensors_to_json import decimals

Method = Literal["classify", "regress"]

_INPUT: Final = "inputs"
_CLASSES: Final = "classes"
_SCORES: Final = "scores"
_REGRESSION: Final = "outputs"
_NOUN: Final[dict[Method, str]] = {"classify": "classification", "regress": "regression"}


def find_signature(
    signatures: Mapping[str, Signature], name: str, method: Method, *, check_method_name: bool
) -> Signature:
    """
    The signature, if it is one for this method.

    :param check_method_name: ``--enable_signature_method_name_check``.
    :raises StatusError: there is none of that name, or it does not fit.
    """
    wanted = name or DEFAULT_SIGNATURE
    signature = signatures.get(wanted)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {wanted}")
    expected = f"tensorflow/serving/{method}"
    if check_method_name and signature.method_name != expected:
        raise invalid_argument(
            f"Expected {_NOUN[method]} signature method_name to be {expected}. Was: {signature.method_name}"
        )
    _check_shape_of(signature, method)
    return signature


def _check_shape_of(signature: Signature, method: Method) -> None:
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    outputs = len(signature.outputs)
    if method == "regress" and outputs != 1:
        raise invalid_argument("Expected one output Tensor.")
    if method == "classify" and outputs not in (1, 2):
        raise invalid_argument(f"Expected one or two output Tensors, found {outputs}")
    if _INPUT not in signature.inputs:
        raise _no("inputs", signature, method)
    if method == "regress" and _REGRESSION not in signature.outputs:
        raise _no("outputs", signature, method)
    if method == "classify" and not {_CLASSES, _SCORES} & signature.outputs.keys():
        raise invalid_argument(
            f'Expected classification signature outputs to contain at least one of "{_CLASSES}" or "{_SCORES}". '
            f"Signature was: {signature_text(signature)}"
        )


def _no(what: str, signature: Signature, method: Method) -> StatusError:
    return invalid_argument(f"No {_NOUN[method]} {what} found in SignatureDef: {signature_text(signature)}")


def examples_tensor(examples: Sequence[bytes]) -> dict[str, Tensor]:
    """The one input of such a signature."""
    return {_INPUT: StringTensor((len(examples),), examples)}


def answer_regressions(outputs: Mapping[str, Tensor], num_examples: int) -> bytes:
    """
    ``{"results": [value, ...]}``.

    :raises StatusError: the output is not one float for each example.
    """
    values = outputs[_REGRESSION]
    shape = values.shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + _shape_text(shape)
        )
    if shape[0] != num_examples:
        raise invalid_argument(f"Input batch size did not match output batch size: {num_examples} vs. {shape[0]}")
    if not isinstance(values, NumberTensor) or values.values.dtype != np.float32:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {_type_name(values)}")
    writer = _results()
    writer.single_line_arrays = True
    writer.values(decimals(values.values))
    return _finished(writer)


def answer_classifications(outputs: Mapping[str, Tensor], num_examples: int) -> bytes:
    """
    ``{"results": [[[label, score], ...], ...]}``.

    :raises StatusError: classes or scores are not one row for each example.
    """
    classes, scores = outputs.get(_CLASSES), outputs.get(_SCORES)
    _check_rows(classes, "classes", "STRING", num_examples)
    _check_rows(scores, "scores", "FLOAT", num_examples)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid_argument(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    return _classifications(classes, scores, num_examples)


def _check_rows(tensor: Tensor | None, what: str, dtype: str, num_examples: int) -> None:
    if tensor is None:
        return
    if len(tensor.shape) != 2:
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {_shape_text(tensor.shape)}")
    if _type_name(tensor) != f"DT_{dtype}":
        raise invalid_argument(f"Expected {what} Tensor of DT_{dtype}. Got: {_type_name(tensor)}")
    if tensor.shape[0] != num_examples:
        raise invalid_argument(f"Expected {what} output batch size of {num_examples}. Got: {tensor.shape[0]}")


def _classifications(classes: Tensor | None, scores: Tensor | None, num_examples: int) -> bytes:
    width = next(tensor.shape[1] for tensor in (classes, scores) if tensor is not None)
    total = num_examples * width
    labels = [quoted(value) for value in classes.values] if isinstance(classes, StringTensor) else [b'""'] * total
    numbers = decimals(scores.values) if isinstance(scores, NumberTensor) else [b"0.0"] * total
    writer = _results()
    for row in range(num_examples):
        writer.single_line_arrays = True
        writer.start(b"[")
        for index in range(row * width, (row + 1) * width):
            writer.start(b"[")
            writer.values([labels[index], numbers[index]])
            writer.end()
        writer.end()
        writer.single_line_arrays = False
    return _finished(writer)


def _results() -> PrettyWriter:
    writer = PrettyWriter()
    writer.start(b"{")
    writer.value(b'"results"')
    writer.start(b"[")
    return writer


def _finished(writer: PrettyWriter) -> bytes:
    writer.end()
    writer.end()
    return b"".join(writer.parts)


def _shape_text(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _type_name(tensor: Tensor) -> str:
    if isinstance(tensor, StringTensor):
        return "DT_STRING"
    if isinstance(tensor, NumberTensor):
        return DTYPES[NUMBER_OF[tensor.values.dtype]].proto_name
    return tensor.dtype.proto_name
