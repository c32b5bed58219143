from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.launching import Launcher
from tests.faults.world import make_base

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with Launcher(tmp_path_factory.mktemp("launched")) as running:
        yield running


@pytest.fixture(scope="session")
def template(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """A base path with this many released versions; made once, to be copied."""
    made: dict[int, Path] = {}

    def make(versions: int) -> Path:
        if versions not in made:
            made[versions] = make_base(launcher, tmp_path_factory.mktemp(f"template-{versions}"), versions)
        return made[versions]

    return make


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of one convolution and the code that builds it, made in a process of its own that has TensorFlow."""
    folder = tmp_path_factory.mktemp("small")
    script = (
        "import sys, shutil; from pathlib import Path; "
        "from tests.with_tensorflow.export.small_sources import BUILDERS, write_tf2_checkpoint\n"
        "folder = Path(sys.argv[1]); write_tf2_checkpoint(folder / 'tf2' / 'ck'); shutil.copy(BUILDERS, folder)"
    )
    subprocess.run([sys.executable, "-c", script, folder], check=True, capture_output=True, cwd=_ROOT, timeout=120)
    return folder
