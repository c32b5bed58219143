"""The inputs of a model in addition to the picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tendies_ops.rest_api.predict import PICTURE_INPUT
from tendies_ops.spec import Manifest
from tendies_ops.spec.parameters import ExtraInput

_SIGNATURE = "serving_default"


def inputs_other_than_the_picture(manifest: Manifest | None, metadata: Mapping[str, Any]) -> dict[str, ExtraInput]:
    """
    Return the inputs of a version in addition to the picture.

    :param manifest: of the version, if its directory is visible; it has defaults, bounds and names.
    :param metadata: the server's description of its signatures; may be empty. It has names only.
    """
    if manifest is not None:
        return dict(manifest.contract.extra_inputs)
    return {name: ExtraInput(tensor=name) for name in sorted(_reported_inputs(metadata) - {PICTURE_INPUT})}


def _reported_inputs(metadata: Mapping[str, Any]) -> set[str]:
    """Return the inputs of a signature that takes a file among others; empty if that is not known."""
    try:
        names = set(metadata["metadata"]["signature_def"]["signature_def"][_SIGNATURE]["inputs"])
    except (KeyError, TypeError):
        return set()
    return names if PICTURE_INPUT in names and len(names) > 1 else set()
