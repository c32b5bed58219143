"""Exports shared by the tests: TensorFlow is imported once, in this process, and each model exported once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tendies_ops.spec import ModelSpec, load_spec, read_manifest
from tests.with_tensorflow.export.exported import Exported, ExportHere
from tests.with_tensorflow.export.small_sources import make_small_sources

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

HERE = Path(__file__).parent
SPECS = HERE / "specs"
SHARED_DATA = HERE.parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def export_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExportHere]:
    """Export a spec in this process; specs given by name are exported once for all tests."""
    from tendies_ops.export.pipeline import export_to
    from tendies_ops.export.savedmodel_files import load_signature

    done: dict[str, Exported] = {}

    def export(spec: ModelSpec | str) -> Exported:
        if isinstance(spec, str):
            if spec not in done:
                done[spec] = export(load_spec(SPECS / f"{spec}.yaml"))
            return done[spec]
        directory = tmp_path_factory.mktemp("export")
        export_to(directory, spec, lambda _: None)
        return Exported(directory, read_manifest(directory), load_signature(directory))

    yield export
    done.clear()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real models and photographs next to the checkout."""
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
    return make_small_sources(tmp_path_factory.mktemp("small"))
