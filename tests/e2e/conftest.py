from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.release_fixtures import base

__all__ = ["base"]


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where a script that is killed makes what it needs."""
    path = tmp_path / "scratch"
    path.mkdir()
    return path
