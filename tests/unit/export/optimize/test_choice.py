from __future__ import annotations

from typing import Any

from tendies_ops.export.optimize.choice import as_table, choose
from tendies_ops.spec.manifest import VariantEntry


def entry(
    name: str = "float32", speedup: float | None = 1.0, psnr_db: float | None = 50.0, **more: Any
) -> VariantEntry:
    return VariantEntry(
        name=name,
        passed=not more.get("why_not"),
        speedup=speedup,
        psnr_db=psnr_db if name != "float32" else None,
        ssim=0.999,
        **more,
    )


def test_the_fastest_that_passed_is_taken() -> None:
    name, why = choose([entry(), entry("float16", speedup=1.1), entry("bfloat16", speedup=1.7)], min_gain=0.02)

    assert name == "bfloat16"
    assert "1.70 times as fast" in why
    assert "50.0 dB" in why


def test_a_faster_one_that_the_gate_refused_is_not_taken() -> None:
    refused = entry("bfloat16", speedup=None, why_not="PSNR 20.0 dB is below 35")
    name, why = choose([entry(), refused], min_gain=0.02)

    assert name == "float32"
    assert "PSNR 20.0 dB is below 35" in why


def test_a_gain_within_the_noise_keeps_float32() -> None:
    name, why = choose([entry(), entry("bfloat16", speedup=1.015)], min_gain=0.02)

    assert name == "float32"
    assert "nothing is faster by more than 2%" in why


def test_the_table_has_a_line_for_each_and_says_what_was_not_measured() -> None:
    refused = entry("bfloat16", speedup=None, why_not="PSNR 20.0 dB is below 35")
    head, plain, last = as_table([entry(images_per_second=3.5, size_bytes=45_600_000), refused])

    assert head.split()[:3] == ["variant", "images/s", "speed"]
    assert "3.50" in plain
    assert "45.60" in plain
    assert "same" in plain
    assert last.endswith("PSNR 20.0 dB is below 35")
