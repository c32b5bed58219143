"""Choice of the variant, with its reason: a decision on figures, without TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

from tendies_ops.export.optimize.precisions import FLOAT32
from tendies_ops.spec.manifest import VariantEntry


def choose(entries: Sequence[VariantEntry], *, min_gain: float) -> tuple[str, str]:
    """
    Take the fastest that passed.

    :param entries: float32 first.
    :param min_gain: differences up to this share count as none.
    :return: the variant's name and the reason, as text.
    """
    passed = [entry for entry in entries if entry.passed and entry.speedup is not None]
    best = max((entry.speedup or 0.0 for entry in passed), default=1.0)
    if best <= 1.0 + min_gain:
        return FLOAT32, f"Kept float32: {_why_none_is_faster(entries, min_gain)}."
    taken = max(passed, key=lambda entry: entry.speedup or 0.0)
    price = "the same pixels" if taken.psnr_db is None else f"PSNR {taken.psnr_db:.1f} dB, SSIM {taken.ssim:.4f}"
    return taken.name, f"Took {taken.name}: {taken.speedup:.2f} times as fast as float32, {price}."


def _why_none_is_faster(entries: Sequence[VariantEntry], min_gain: float) -> str:
    refused = [f"{entry.name} is not allowed ({entry.why_not})" for entry in entries if entry.why_not]
    if refused:
        return "; ".join(refused)
    return f"nothing is faster by more than {min_gain:.0%}"


def as_table(entries: Sequence[VariantEntry]) -> list[str]:
    """Format what was tried for a terminal, one line each."""
    names = max(len(entry.name) for entry in entries)
    head = f"{'variant':<{names}}  images/s  speed  ms/request  memory MB  file MB  PSNR dB    SSIM  max"
    return [head, *(_line(entry, names) for entry in entries)]


def _line(entry: VariantEntry, names: int) -> str:
    psnr = "same" if entry.passed and entry.psnr_db is None else _figure(entry.psnr_db, ".1f")
    columns = [
        f"{entry.name:<{names}}",
        f"{_figure(entry.images_per_second, '.2f'):>8}",
        f"{_figure(entry.speedup, '.2f'):>5}",
        f"{_figure(entry.milliseconds, '.0f'):>10}",
        f"{_figure(_megabytes(entry.memory_bytes), '.0f'):>9}",
        f"{_figure(_megabytes(entry.size_bytes), '.2f'):>7}",
        f"{psnr:>7}",
        f"{_figure(entry.ssim, '.4f'):>6}",
        f"{_figure(entry.max_abs, '.0f'):>3}",
    ]
    return "  ".join(columns) + (f"  {entry.why_not}" if entry.why_not else "")


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _megabytes(size_bytes: int | None) -> float | None:
    return None if size_bytes is None else size_bytes / 1e6
