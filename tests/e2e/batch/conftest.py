from __future__ import annotations

from tests.support.batch_bench import bench, make_bench

__all__ = ["bench", "make_bench"]  # fixtures
