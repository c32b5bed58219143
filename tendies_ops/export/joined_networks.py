"""Networks that turn a further picture into an input of the source, such as a style into its code."""

from __future__ import annotations

from collections.abc import Callable

from tendies_ops.errors import SpecError
from tendies_ops.export.network import Network
from tendies_ops.export.sources.detect import open_source
from tendies_ops.spec import Contract, ModelSpec


def open_joined(contract: Contract, say: Callable[[str], None]) -> dict[str, Network]:
    """
    Open the network of each extra input that has one.

    :raises TendiesError: one cannot be opened, or has several outputs.
    """
    found = {}
    for name, one in contract.extra_inputs.items():
        if one.network is None or one.picture is None:
            continue
        network = found[name] = open_source(one.network, Contract(input=one.picture))
        if len(network.outputs) != 1:
            raise SpecError(
                f"The network of contract.extra_inputs.{name} has the outputs {', '.join(network.outputs)}. "
                "Name the one that becomes the input in its output_tensors."
            )
        say(f"Opened {network.provenance.kind} {network.provenance.checkpoint} for `{name}`")
    return found


def allowed_operations(spec: ModelSpec) -> tuple[str, ...]:
    """Return the operations that the source and the networks of its inputs may have besides those that compute."""
    further = (one.network for one in spec.contract.extra_inputs.values())
    return (*spec.source.allow_operations, *(name for one in further if one for name in one.allow_operations))
