from __future__ import annotations

import pytest

from tendies_ops.inference.requests import coordinator
from tests.support.batch_bench import bench, make_bench

__all__ = ["bench", "make_bench"]  # fixtures


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run looks more often whether a pause is over."""
    monkeypatch.setattr(coordinator, "_TICK_S", 0.01)
