"""How a trace becomes the table of operations."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import results
from bench.operations import sum_up
from bench.optimize_tables import optimised_versions
from bench.results import Row

TRACE = (("a = _MklNativeFusedConv2D(x, w)", 700), ("b = Mul(a, c)", 100), ("d = While(b)", 900), ("e = Mul(b)", 200))


def test_operations_of_one_kind_are_added_up_and_calls_are_not_counted_twice() -> None:
    assert sum_up(iter(TRACE)) == {"FusedConv2D": 700, "Mul": 300}


def test_the_table_has_a_line_a_variant_with_shares_of_its_own_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    rows = [
        Row("photo, float32, the whole picture", 2.0, "ms", ratio=1.0),
        Row("photo, float32, FusedConv2D", 1.5, "ms"),
        Row("photo, float32, all others", 0.5, "ms"),
    ]
    results.write_result("operations", rows)

    assert "| photo | float32 | 2 | 1.00 | FusedConv2D 75%, all others 25% |" in optimised_versions(tmp_path)
