"""What the tests ask for when they ask for an export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from tendies_ops.spec import Manifest, ModelSpec


@dataclass(frozen=True)
class Exported:
    """One export, loaded in the plain way."""

    directory: Path
    manifest: Manifest
    function: Any

    def send(self, *files: bytes, **extra: Any) -> dict[str, np.ndarray[Any, Any]]:
        """Ask the reloaded SavedModel."""
        import tensorflow as tf

        answer = self.function(input_bytes=tf.constant(list(files)), **{k: tf.constant(v) for k, v in extra.items()})
        return {name: tensor.numpy() for name, tensor in answer.items()}


#: Exports a spec; one given by its name below specs/ is exported once for all tests.
ExportHere: TypeAlias = Callable[[ModelSpec | str], Exported]
