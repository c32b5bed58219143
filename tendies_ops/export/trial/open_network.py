"""Opening a source of which the contract is not known, and finding out what can be asked: shape, sizes, batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tendies_ops.errors import ExportError
from tendies_ops.export.network import IMAGE, Arrays, Network
from tendies_ops.export.sources.detect import open_source
from tendies_ops.export.trial.frozen_run import FrozenRun
from tendies_ops.spec import Contract, InputContract, SourceSpec
from tendies_ops.spec.input_contract import Size

_CHANNELS = (1, 3, 4)
_DTYPES = ("float32", "float16", "uint8")
_SIDES = (224, 256, 64)  #: of builders that need a fixed size, the usual ones first
_STRIDES = (1, 2, 4, 8, 16, 32)


def open_unknown(source: SourceSpec, given: Contract, sizes: Sequence[Size]) -> tuple[Network, Contract]:
    """
    Open a source, and let the shape of its picture tensor complete the contract.

    A builder may need a batch of one, or a size, which its network does not define before it is built.

    :param sizes: those of the pictures.
    :raises TendiesError: it cannot be opened.
    """
    first: ExportError | None = None
    for changes in _tries(source, given.input, sizes):
        contract = _with_input(given, given.input.model_copy(update=changes))
        try:
            network = open_source(source, contract)
        except ExportError as error:
            first = first or error
            continue
        return network, _with_input(contract, _by_shape(contract.input, network))
    raise first or ExportError("There was nothing to open.")


def _with_input(contract: Contract, changed: InputContract) -> Contract:
    return contract.model_copy(update={"input": changed})


def _tries(source: SourceSpec, given: InputContract, sizes: Sequence[Size]) -> Iterator[dict[str, Any]]:
    yield {}
    if source.builder is not None and given.size is None:
        yield {"batch_size": 1}
        own = list(sizes[:1]) if len({(size.height, size.width) for size in sizes}) == 1 else []
        for size in (*own, *(Size(height=side, width=side) for side in _SIDES)):
            yield {"batch_size": 1, "size": size}


def _by_shape(given: InputContract, network: Network) -> InputContract:
    image = network.inputs[IMAGE]
    changes: dict[str, Any] = {"dtype": image.dtype} if image.dtype in _DTYPES else {}
    shape = image.shape
    if shape is None or len(shape) != 4:
        return given.model_copy(update=changes)
    layout = "nchw" if shape[1] in _CHANNELS and shape[3] not in _CHANNELS else "nhwc"
    channels, height, width = (shape[1], *shape[2:]) if layout == "nchw" else (shape[3], *shape[1:3])
    changes |= {"layout": layout, "batch_size": 1 if shape[0] == 1 else given.batch_size}
    if channels in _CHANNELS:
        changes["channels"] = channels
    if height is not None and width is not None:
        changes["size"] = Size(height=height, width=width)
    return given.model_copy(update=changes)


def feeds_of(network: Network, contract: Contract) -> dict[str, Any]:
    """Return zeros for each further input."""
    shapes = {name: network.inputs[name] for name in contract.extra_inputs}
    return {name: np.zeros([dim or 1 for dim in one.shape or ()], one.dtype) for name, one in shapes.items()}


def sizes_taken(run: FrozenRun, given: InputContract, output: str) -> dict[str, int] | None:
    """
    Find out by running which sizes a network of free size takes.

    :return: ``multiple_of``, the smallest number that sides must be a multiple of so that the output is as large as the
        input, and ``scale``, how many times as large it is; None: its output is not as large as a picture.
    """
    large = _sides_of(run, given, output, (96, 128))
    if large is None or large[0] < 96 or large[0] % 96 or large[0] // 96 * 128 != large[1]:
        return None
    scale = large[0] // 96
    for stride in _STRIDES:
        size = (stride * (96 // stride | 1), stride * (64 // stride | 1))
        if _sides_of(run, given, output, size) == (size[0] * scale, size[1] * scale):
            return {"multiple_of": stride, "scale": scale}
    return {"multiple_of": _STRIDES[-1], "scale": scale}


def size_needed(run: FrozenRun, given: InputContract) -> Size | None:
    """Return the usual size that a network takes which does not take every size; None: it takes every one."""
    if answer(run, given, (96, 128)):
        return None
    return next((Size(height=s, width=s) for s in (*_SIDES, 128, 299, 512, 32) if answer(run, given, (s, s))), None)


def _sides_of(run: FrozenRun, given: InputContract, output: str, size: tuple[int, int]) -> tuple[int, int] | None:
    values = answer(run, given, size).get(output)
    if values is None or values.ndim != 4:
        return None
    sides = values.shape[2:] if given.layout == "nchw" else values.shape[1:3]
    return int(sides[0]), int(sides[1])


def answer(run: FrozenRun, given: InputContract, size: tuple[int, int]) -> Arrays:
    """Run the network on noise of a size; nothing if it does not take that size."""
    import tensorflow as tf

    shape = (1, given.channels, *size) if given.layout == "nchw" else (1, *size, given.channels)
    noise = np.random.default_rng(0).integers(0, 256, shape)  # 8-bit networks refuse a picture of one value
    try:
        return run.run((noise if given.dtype == "uint8" else noise / 255).astype(given.dtype))
    except (tf.errors.OpError, ValueError):
        return {}


def takes_batches(run: FrozenRun, images: Sequence[NDArray[Any]], output: str) -> bool:
    """Return True if two pictures in one batch get the answers that each gets alone."""
    import tensorflow as tf

    try:
        together = run.run(np.concatenate(images[:2]))[output].astype(np.float64)
    except (tf.errors.OpError, ValueError):
        return False
    alone = np.concatenate([run.run(image)[output] for image in images[:2]]).astype(np.float64)
    limit = 1e-3 * max(1.0, float(np.abs(alone).max(initial=0.0)))
    return together.shape == alone.shape and float(np.abs(together - alone).max(initial=0.0)) <= limit
