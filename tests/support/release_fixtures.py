"""Fixtures of the tests that release something; a conftest imports them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.watching_server import WatchingServer


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base"
    path.mkdir()
    return path


@pytest.fixture
def server(base: Path) -> Iterator[WatchingServer]:
    with WatchingServer(base) as running:
        yield running
