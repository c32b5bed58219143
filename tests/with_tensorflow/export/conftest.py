"""Exports shared by the tests: TensorFlow is imported once, in this process, and each model exported once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tendies_ops.spec import Manifest, ModelSpec, load_spec, read_manifest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the modules beside the tests
SPECS = HERE / "specs"
SHARED_DATA = HERE.parents[3] / "shared" / "data"


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


@pytest.fixture(scope="session")
def export_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[ModelSpec | str], Exported]]:
    """Export a spec in this process; specs given by name are exported once for all tests."""
    from tendies_ops.export.pipeline import export_to
    from tendies_ops.export.savedmodel_files import load_signature

    done: dict[str, Exported] = {}

    def export(spec: ModelSpec | str) -> Exported:
        name = spec if isinstance(spec, str) else None
        if name in done:
            return done[name]
        wanted = load_spec(SPECS / f"{name}.yaml") if name else spec
        directory = tmp_path_factory.mktemp("export")
        export_to(directory, wanted, lambda _: None)
        result = Exported(directory, read_manifest(directory), load_signature(directory))
        if name:
            done[name] = result
        return result

    yield export
    done.clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real models and photographs beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the shared data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def photograph(shared_data: Path) -> bytes:
    """A cup of coffee, 300 x 200."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    Image.open(shared_data / "photos/skimage/coffee.png").convert("RGB").resize((300, 200)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def small_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small source of every kind."""
    from small_sources import make_small_sources

    return make_small_sources(tmp_path_factory.mktemp("small"))
