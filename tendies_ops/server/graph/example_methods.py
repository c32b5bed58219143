"""
The signatures and the input of the classify and regress methods.

Source: tensorflow/serving servables/tensorflow/classifier.cc, regressor.cc.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from tendies_ops.server.graph.signatures import DEFAULT_SIGNATURE, Signature
from tendies_ops.server.graph.tensors import Tensor, string_tensor
from tendies_ops.server.status_codes import StatusError, invalid_argument

Method = Literal["classify", "regress"]

CLASSES: Final = "classes"
SCORES: Final = "scores"
REGRESSION: Final = "outputs"
_INPUT: Final = "inputs"
_NOUN: Final[dict[Method, str]] = {"classify": "classification", "regress": "regression"}


def find_signature(signatures: Mapping[str, Signature], name: str, method: Method) -> Signature:
    """
    Return the signature of a name, checked for the method.

    :raises StatusError: there is no such signature, or it does not fit the method.
    """
    wanted = name or DEFAULT_SIGNATURE
    signature = signatures.get(wanted)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {wanted}")
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
    if method == "regress" and REGRESSION not in signature.outputs:
        raise _no("outputs", signature, method)
    if method == "classify" and not {CLASSES, SCORES} & signature.outputs.keys():
        raise invalid_argument(
            f'Expected classification signature outputs to contain at least one of "{CLASSES}" or "{SCORES}". '
            f"Signature was: {signature.text()}"
        )


def _no(what: str, signature: Signature, method: Method) -> StatusError:
    return invalid_argument(f"No {_NOUN[method]} {what} found in SignatureDef: {signature.text()}")


def examples_tensor(examples: Sequence[bytes]) -> dict[str, Tensor]:
    """Make the input tensor of such a signature."""
    return {_INPUT: string_tensor((len(examples),), examples)}
