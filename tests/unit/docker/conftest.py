from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.containers import DOCKER


@pytest.fixture
def make_secrets() -> Callable[[Path], dict[str, str]]:
    """Write the environment files into a directory; every variable of theirs."""

    def make(directory: Path) -> dict[str, str]:
        subprocess.run(["bash", DOCKER / "make-secrets.sh", directory], check=True, capture_output=True)
        lines = [line for path in directory.iterdir() for line in path.read_text().splitlines()]
        return dict(line.split("=", 1) for line in lines)

    return make
