"""Completion of a spec by what the graph itself defines."""

from __future__ import annotations

from typing import Any

from tendies_ops.errors import SpecError
from tendies_ops.export.network import IMAGE, Network, Shape
from tendies_ops.spec import Contract, InputContract
from tendies_ops.spec.input_contract import Size


def complete_contract(contract: Contract, network: Network) -> Contract:
    """
    Add a fixed batch of one and a fixed size where the picture tensor has them.

    :raises SpecError: graph and contract contradict each other.
    """
    image = network.inputs[IMAGE]
    if image.dtype != contract.input.dtype:
        raise SpecError(
            f"The network takes {image.dtype} pictures; contract.input.dtype says {contract.input.dtype}. Correct it."
        )
    if image.shape is None:
        return contract
    batch, size, channels = _parts(image.shape, contract.input)
    if channels not in (None, contract.input.channels):
        raise SpecError(
            f"The network takes {channels} channels ({list(image.shape)}, {contract.input.layout}); the contract says "
            f"{contract.input.channels}. Correct contract.input.channels or contract.input.layout."
        )
    changes: dict[str, Any] = {}
    if batch not in (None, 1):
        raise SpecError(f"The network is built for a batch of {batch}; build it for 1 or for any batch.")
    if batch == 1:
        changes["batch_size"] = 1
    if size is not None:
        _require_same_size(contract.input, size)
        changes["size"] = size
    return contract.model_copy(update={"input": contract.input.model_copy(update=changes)})


def _parts(shape: Shape, contract: InputContract) -> tuple[int | None, Size | None, int | None]:
    if len(shape) != 4:
        raise SpecError(
            f"The network's picture input has the shape {list(shape)}; a batch of pictures has 4 dimensions. "
            "Set source.input_tensor to the right tensor."
        )
    batch, height, width, channels = shape
    if contract.layout == "nchw":
        batch, channels, height, width = shape
    size = None if height is None or width is None else Size(height=height, width=width)
    return batch, size, channels


def _require_same_size(contract: InputContract, size: Size) -> None:
    if contract.size is not None and contract.size != size:
        raise SpecError(
            f"The network takes {size.height} x {size.width} (height x width) and contract.input.size says "
            f"{contract.size.height} x {contract.size.width}. Correct it."
        )
