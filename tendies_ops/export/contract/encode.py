"""From the network's numbers to what the client gets, in the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tendies_ops.errors import SpecError
from tendies_ops.export.contract.resize import resize_to
from tendies_ops.spec import OutputContract

if TYPE_CHECKING:
    import tensorflow as tf

SOLE_OUTPUT = "output"


def finish_output(
    name: str, values: tf.Tensor, size: tf.Tensor, contract: OutputContract, *, was_resized: bool
) -> dict[str, tf.Tensor]:
    """
    Turn one output of the network into outputs of the signature.

    :param values: ``[K, ...]``: what the network gave for K pictures of one size.
    :param size: ``int32 [K, 2]``: height and width of each picture as it came.
    :param was_resized: the pictures were brought to the network's size first.
    :return: signature output -> tensor whose first dimension is K.
    """
    if contract.kind == "image":
        return {bytes_name(name): encode_pictures(to_pixels(values, contract), size, contract, was_resized=was_resized)}
    if contract.kind == "segmentation":
        pixels = class_pixels(values, contract)
        return {bytes_name(name): encode_pictures(pixels, size, contract, was_resized=was_resized, method="nearest")}
    if contract.kind == "classification":
        return classification(name, values, contract)
    return {name: plain_tensor(name, values, contract)}


def bytes_name(name: str) -> str:
    """Model Server answers ``{"b64": ...}`` for outputs whose name ends in ``_bytes``."""
    return name if name.endswith("_bytes") else f"{name}_bytes"


def to_pixels(values: tf.Tensor, contract: OutputContract) -> tf.Tensor:
    """
    Apply the activation and undo the output's range.

    :param values: ``[K, height, width, 1 | 3 | 4]``, or ``[K, channels, height, width]`` for nchw.
    :return: ``uint8 [K, height, width, channels]``, red first; clipped first, because a cast wraps round.
    """
    import tensorflow as tf

    if contract.layout == "nchw":
        values = tf.transpose(values, [0, 2, 3, 1])
    values = activated(tf.cast(values, tf.float32), contract)
    if contract.add_mean is not None:
        values += tf.constant(contract.add_mean, tf.float32)
    low, high = contract.range.low, contract.range.high
    scaled = (values - low) * (255.0 / (high - low))
    pixels = tf.cast(tf.round(tf.clip_by_value(scaled, 0.0, 255.0)), tf.uint8)
    if contract.color_order == "rgb":
        return pixels
    return tf.concat([tf.reverse(pixels[..., :3], [3]), pixels[..., 3:]], 3)  # alpha stays last


def encode_pictures(
    pixels: tf.Tensor, size: tf.Tensor, contract: OutputContract, *, was_resized: bool, method: str = "bilinear"
) -> tf.Tensor:
    """
    Crop to the size that the picture came with (times ``scale``), and encode.

    :param pixels: ``uint8 [K, height, width, channels]``.
    :param size: ``int32 [K, 2]``.
    :return: ``string [K]``.
    """
    import tensorflow as tf

    def encode(element: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        picture, wanted = element
        wanted = wanted * contract.scale
        if not was_resized:
            picture = picture[: wanted[0], : wanted[1]]
        if contract.restore_size:
            picture = tf.cast(tf.round(resize_to(picture, wanted, method)), tf.uint8)
        if contract.format == "jpeg":
            return tf.io.encode_jpeg(picture, quality=contract.jpeg_quality)
        return tf.io.encode_png(picture, compression=contract.png_compression)

    return tf.map_fn(encode, (pixels, size), fn_output_signature=tf.TensorSpec([], tf.string))


def class_pixels(values: tf.Tensor, contract: OutputContract) -> tf.Tensor:
    """
    Turn scores (``[K, h, w, classes]``) or class numbers (``[K, h, w]``, ``[K, h, w, 1]``, bool too) into label pixels.

    :return: ``uint8 [K, h, w, 1]`` class numbers, or ``[K, h, w, 3]`` with a palette.
    """
    import tensorflow as tf

    if contract.layout == "nchw" and values.shape.rank != 3:
        values = tf.transpose(values, [0, 2, 3, 1])
    if values.dtype.is_integer or values.dtype.is_bool:
        classes = tf.cast(values if values.shape.rank == 3 else values[..., 0], tf.int32)
    elif values.shape[-1] == 1:
        classes = tf.cast(activated(tf.cast(values[..., 0], tf.float32), contract) > contract.threshold, tf.int32)
    else:
        classes = tf.argmax(values, axis=-1, output_type=tf.int32)
    if contract.palette is None:
        return tf.cast(classes[..., None], tf.uint8)
    colors = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in contract.palette]
    return tf.gather(tf.constant(colors, tf.uint8), classes)


def classification(name: str, values: tf.Tensor, contract: OutputContract) -> dict[str, tf.Tensor]:
    """
    Give scores, and class names where the contract has labels.

    :param values: ``[K, classes]``.
    """
    import tensorflow as tf

    scores = tf.cast(tf.reshape(values, [tf.shape(values)[0], -1]), tf.float32)
    scores = activated(scores, contract)
    if contract.labels is None:
        return {scores_name(name): scores}
    if values.shape[-1] not in (None, len(contract.labels)):
        raise SpecError(
            f"The network gives {values.shape[-1]} classes and the contract has {len(contract.labels)} labels."
        )
    labels = tf.constant(list(contract.labels))
    if contract.top_k is None:
        return {scores_name(name): scores, classes_name(name): tf.tile(labels[None], [tf.shape(scores)[0], 1])}
    best, positions = tf.math.top_k(scores, min(contract.top_k, len(contract.labels)))
    return {scores_name(name): best, classes_name(name): tf.gather(labels, positions)}


def scores_name(name: str) -> str:
    """Return the signature's name for the scores of the network's output ``name``."""
    return "scores" if name == SOLE_OUTPUT else f"{name}_scores"


def classes_name(name: str) -> str:
    """Return the signature's name for its class names."""
    return "classes" if name == SOLE_OUTPUT else f"{name}_classes"


def plain_tensor(name: str, values: tf.Tensor, contract: OutputContract) -> tf.Tensor:
    """Hand a tensor through: class numbers whole (quantised weights make 1.988 of 2), half floats as float32."""
    import tensorflow as tf

    if values.dtype in (tf.float16, tf.bfloat16):  # Model Server's REST API cannot write them
        values = tf.cast(values, tf.float32)
    if contract.kind == "detection":
        if name.endswith(("detection_classes", "num_detections")):
            return tf.round(values) if values.dtype.is_floating else values
        return activated(values, contract) if name.endswith("scores") else values
    values = activated(values, contract)
    return tf.reshape(values, [-1]) if contract.kind == "regression" else values


def activated(values: tf.Tensor, contract: OutputContract) -> tf.Tensor:
    """Apply the contract's activation; a softmax is over the last axis."""
    import tensorflow as tf

    return {"none": tf.identity, "softmax": tf.nn.softmax, "sigmoid": tf.sigmoid}[contract.activation](values)


def merge(parts: Sequence[Mapping[str, tf.Tensor]]) -> dict[str, tf.Tensor]:
    """All outputs of the signature, sorted by name."""
    joined = {name: tensor for part in parts for name, tensor in part.items()}
    return dict(sorted(joined.items()))
