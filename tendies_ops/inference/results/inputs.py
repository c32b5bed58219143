"""What a model wants for a picture besides the picture: a batch run has nothing to send for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tendies_ops.errors import UsageError
from tendies_ops.rest_api.predict import PICTURE_INPUT
from tendies_ops.spec import Manifest

_SIGNATURE = "serving_default"


def require_picture_alone(manifest: Manifest | None, metadata: Mapping[str, Any]) -> None:
    """
    Refuse a version whose signature has more inputs than the picture, before anything is sent.

    :param manifest: of the version, where its directory can be seen.
    :param metadata: what the server says about its signatures; may be empty.
    :raises UsageError: it has; they are named.
    """
    names = set(manifest.contract.extra_inputs) if manifest is not None else _told_inputs(metadata) - {PICTURE_INPUT}
    if names:
        raise UsageError(
            f"The model takes further inputs besides the picture: {', '.join(sorted(names))}. A batch run sends the "
            "picture alone, so nothing was sent. Export the model with a fixed value instead (`source.constants` of "
            "its spec), one model for each value."
        )


def _told_inputs(metadata: Mapping[str, Any]) -> set[str]:
    """Names of a signature that takes a file among others; empty where that is not told, or it takes none."""
    try:
        names = set(metadata["metadata"]["signature_def"]["signature_def"][_SIGNATURE]["inputs"])
    except (KeyError, TypeError):
        return set()
    return names if PICTURE_INPUT in names and len(names) > 1 else set()
