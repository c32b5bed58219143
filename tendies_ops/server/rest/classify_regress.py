"""
The answers of the classify and regress methods.

Source: tensorflow/serving servables/tensorflow/classifier.cc, regressor.cc; answers from util/json_tensor.cc.
"""

from __future__ import annotations

from collections.abc import Mapping

from tendies_ops.server.graph.example_methods import CLASSES, REGRESSION, SCORES
from tendies_ops.server.graph.tensors import Tensor, shape_text
from tendies_ops.server.json.pretty_json import lines, one_line, quoted
from tendies_ops.server.rest.predict_answer import decimals, rows_on_one_line
from tendies_ops.server.status_codes import invalid_argument


def answer_regressions(outputs: Mapping[str, Tensor], num_examples: int) -> bytes:
    """
    Return ``{"results": [value, ...]}``.

    :raises StatusError: the output does not have one float per example.
    """
    values = outputs[REGRESSION]
    shape = values.shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got " + shape_text(shape)
        )
    if shape[0] != num_examples:
        raise invalid_argument(f"Input batch size did not match output batch size: {num_examples} vs. {shape[0]}")
    if values.dtype.name != "float" or values.values is None:
        raise invalid_argument(f"Expected output Tensor of DT_FLOAT.  Got: {values.dtype.proto_name}")
    return lines(b"{}", [b'"results": ' + one_line(decimals(values.values))], level=0)


def answer_classifications(outputs: Mapping[str, Tensor], num_examples: int) -> bytes:
    """
    Return ``{"results": [[[label, score], ...], ...]}``.

    :raises StatusError: classes or scores do not have one row per example.
    """
    classes, scores = outputs.get(CLASSES), outputs.get(SCORES)
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
        raise invalid_argument(f"Expected Tensor shape: [batch_size num_classes] but got {shape_text(tensor.shape)}")
    if tensor.dtype.proto_name != f"DT_{dtype}":
        raise invalid_argument(f"Expected {what} Tensor of DT_{dtype}. Got: {tensor.dtype.proto_name}")
    if tensor.shape[0] != num_examples:
        raise invalid_argument(f"Expected {what} output batch size of {num_examples}. Got: {tensor.shape[0]}")


def _classifications(classes: Tensor | None, scores: Tensor | None, num_examples: int) -> bytes:
    width = next(tensor.shape[1] for tensor in (classes, scores) if tensor is not None)
    labels, numbers = [b'""'] * (num_examples * width), [b"0.0"] * (num_examples * width)
    if classes is not None and classes.values is not None:
        labels = [quoted(value) for value in classes.values]
    if scores is not None and scores.values is not None:
        numbers = decimals(scores.values)
    pairs = [one_line([label, number]) for label, number in zip(labels, numbers, strict=True)]
    rows = [one_line(pairs[row * width : (row + 1) * width]) for row in range(num_examples)]
    return rows_on_one_line("results", rows)
