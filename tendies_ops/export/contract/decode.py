"""From the bytes of a picture to the network's numbers, in the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tendies_ops.export.contract.resize import mirror_to_multiple, resize_to
from tendies_ops.spec import InputContract

if TYPE_CHECKING:
    import tensorflow as tf

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
#: Signature, length and type of the IHDR chunk come before width and height. Source: PNG specification, 5.2 and 11.2.1.
_PNG_SIZE_OFFSET = 16
_PNG_DEPTH_OFFSET = 24


def picture_sizes(files: tf.Tensor, contract: InputContract) -> tf.Tensor:
    """
    Read the sizes from the headers; refuse, before decoding, files that are not PNG or JPEG or are too large.

    :param files: ``string [N]``.
    :return: ``int32 [N, 2]``: height, width. Whatever decodes must depend on it.
    """
    import tensorflow as tf

    heads = tf.strings.join([tf.strings.substr(files, 0, 32), tf.constant(b"\0" * 32)])
    is_png = tf.equal(tf.strings.substr(heads, 0, 8), _PNG_SIGNATURE)
    is_jpeg = tf.equal(tf.strings.substr(heads, 0, 3), _JPEG_SIGNATURE)
    position = tf.argmin(tf.concat([tf.cast(is_png | is_jpeg, tf.int32), [0]], 0))
    known = tf.raw_ops.Assert(
        condition=tf.reduce_all(is_png | is_jpeg),
        data=["Not a PNG or JPEG file (by its first bytes): picture number", position, "of this request."],
    )
    with tf.control_dependencies([known]):
        png = tf.reshape(tf.io.decode_raw(tf.strings.substr(heads, _PNG_SIZE_OFFSET, 8), tf.uint8), [-1, 2, 4])
    # Big-endian. The highest byte makes sizes over 16 million pixels a side, which no limit allows: int64 holds them.
    png_sizes = tf.reverse(
        tf.reduce_sum(tf.cast(png, tf.int64) * tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64), axis=2), [1]
    )

    def size(element: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
        file, png_size, png_kind = element
        return tf.cond(png_kind, lambda: png_size, lambda: tf.cast(tf.image.extract_jpeg_shape(file)[:2], tf.int64))

    with tf.control_dependencies([known]):
        sizes = tf.map_fn(size, (files, png_sizes, is_png), fn_output_signature=tf.TensorSpec([2], tf.int64))
    return _within_limit(sizes, contract)


def _within_limit(sizes: tf.Tensor, contract: InputContract) -> tf.Tensor:
    import tensorflow as tf

    megapixels = tf.cast(sizes[:, 0], tf.float32) * tf.cast(sizes[:, 1], tf.float32) / 1e6
    checks = [
        tf.raw_ops.Assert(
            condition=tf.reduce_all(megapixels <= contract.max_megapixels),
            data=[
                "The picture is too large:",
                tf.reduce_max(tf.concat([megapixels, [0.0]], 0)),
                f"megapixels; this model takes at most {contract.max_megapixels:g} (max_megapixels of its contract).",
            ],
        ),
        tf.raw_ops.Assert(condition=tf.reduce_all(sizes > 0), data=["A picture's header has a side of 0."]),
    ]
    if contract.size is not None and contract.resize == "exact":
        height, width = contract.size.height, contract.size.width
        text = f"This model takes pictures of {height} x {width} (height x width) only; got"
        right = tf.reduce_all(tf.equal(sizes, tf.constant([height, width], tf.int64)))
        checks.append(tf.raw_ops.Assert(condition=right, data=[text, sizes], summarize=64))
    with tf.control_dependencies(checks):
        return tf.cast(tf.identity(sizes), tf.int32)


def decode_file(file: tf.Tensor, contract: InputContract) -> tf.Tensor:
    """
    Decode one picture to 8 bits a channel. Of 16 bits the higher 8 are taken, palettes are looked up.

    :param file: ``string []``, a PNG or JPEG.
    :return: ``uint8 [height, width, channels]``, red first.
    """
    import tensorflow as tf

    is_png = tf.equal(tf.strings.substr(file, 0, 8), _PNG_SIGNATURE)
    if contract.alpha == "drop" and contract.channels != 4:
        pixels = tf.cond(
            is_png,
            lambda: _decode_png(file, contract.channels),
            lambda: _decode_jpeg(file, contract.channels),
        )
        return tf.ensure_shape(pixels, [None, None, contract.channels])

    def from_jpeg() -> tf.Tensor:
        colors = _decode_jpeg(file, 3)
        return tf.concat([colors, tf.fill(tf.concat([tf.shape(colors)[:2], [1]], 0), tf.constant(255, tf.uint8))], 2)

    pixels = tf.ensure_shape(tf.cond(is_png, lambda: _decode_png(file, 4), from_jpeg), [None, None, 4])
    if contract.channels == 4:
        return pixels
    return _over_color(pixels, 255.0 if contract.alpha == "over_white" else 0.0, contract.channels)


def _decode_png(file: tf.Tensor, channels: int) -> tf.Tensor:
    """Decode as other programs do, where TensorFlow's decoder does otherwise."""
    import tensorflow as tf

    if channels == 1:  # libpng would turn colours into light and back by the file's gAMA: up to 90 of 255 away
        return _to_grey(tf.cast(tf.io.decode_png(file, channels=3), tf.float32))
    pixels = tf.io.decode_png(file, channels=channels)
    if channels != 4:
        return pixels
    # For files of 1, 2 or 4 bits without transparency it takes the greatest number of that many bits for opaque.
    head = tf.strings.join([tf.strings.substr(file, 0, _PNG_DEPTH_OFFSET + 1), tf.constant(b"\0" * 32)])
    depth = tf.io.decode_raw(tf.strings.substr(head, _PNG_DEPTH_OFFSET, 1), tf.uint8)
    greatest = tf.bitwise.left_shift(tf.constant(1, tf.uint8), tf.minimum(depth, 7)) - 1
    alpha = pixels[:, :, 3:]
    unknown = tf.reduce_all(depth < 8) & tf.reduce_all(tf.equal(alpha, greatest))
    return tf.concat([pixels[:, :, :3], tf.where(unknown, tf.constant(255, tf.uint8), alpha)], 2)


def _to_grey(colors: tf.Tensor) -> tf.Tensor:
    """Weigh ``float32`` colours by ITU-R 601, as libjpeg does, and round."""
    import tensorflow as tf

    grey = tf.reduce_sum(colors * tf.constant([0.299, 0.587, 0.114]), axis=2, keepdims=True)
    return tf.cast(tf.round(grey), tf.uint8)


def _decode_jpeg(file: tf.Tensor, channels: int) -> tf.Tensor:
    """Decode with the accurate transform: TensorFlow's default is a fast one, 4 of 255 away from other programs."""
    import tensorflow as tf

    return tf.io.decode_jpeg(file, channels=channels, dct_method="INTEGER_ACCURATE")


def _over_color(pixels: tf.Tensor, background: float, channels: int) -> tf.Tensor:
    import tensorflow as tf

    values = tf.cast(pixels, tf.float32)
    alpha = values[:, :, 3:] / 255.0
    colors = values[:, :, :3] * alpha + background * (1.0 - alpha)
    return _to_grey(colors) if channels == 1 else tf.cast(tf.round(colors), tf.uint8)


def to_network_size(pixels: tf.Tensor, contract: InputContract) -> tf.Tensor:
    """
    Resize to the contract's size, or pad to a multiple of the stride.

    :param pixels: ``uint8 [height, width, channels]``.
    :return: ``uint8`` as it came, or ``float32`` 0 to 255 when it was resized.
    """
    if contract.size is not None:
        if contract.resize == "exact":
            return pixels
        return resize_to(pixels, (contract.size.height, contract.size.width), contract.resize)
    return mirror_to_multiple(pixels, contract.multiple_of, contract.margin)


def to_network_values(pixels: tf.Tensor, contract: InputContract) -> tf.Tensor:
    """
    Map 0..255 to what the network takes.

    :param pixels: ``[N, height, width, channels]``, ``uint8`` or ``float32``, red first.
    :return: the contract's dtype and layout.
    """
    import tensorflow as tf

    if contract.color_order == "bgr" and contract.channels >= 3:
        pixels = tf.gather(pixels, [2, 1, 0, 3][: contract.channels], axis=3)
    if contract.dtype == "uint8":
        values = pixels if pixels.dtype == tf.uint8 else tf.cast(tf.round(pixels), tf.uint8)
    else:
        low, high = contract.range.low, contract.range.high
        # One linear map. Scaling to 0..1 first and by 127.5 after would squeeze every picture into -1 to -0.992.
        # Divided, not multiplied: bit for bit the `x / 255` and `x / 127.5 - 1` that networks are trained with. As a
        # constant the divisor would become a factor (grappler's constant folding), and one bit of difference at the
        # input of an 8-bit network can make 100 of 255 at its output.
        step = tf.raw_ops.PlaceholderWithDefault(input=tf.constant(255.0 / (high - low), tf.float32), shape=[])
        values = tf.cast(pixels, tf.float32) / step + low
        if contract.subtract_mean is not None:
            values -= tf.constant(contract.subtract_mean, tf.float32)
        if contract.divide_by is not None:
            values /= tf.constant(contract.divide_by, tf.float32)
        values = tf.cast(values, contract.dtype)
    return tf.transpose(values, [0, 3, 1, 2]) if contract.layout == "nchw" else values
