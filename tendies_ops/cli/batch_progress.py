"""A progress bar in a terminal, lines in a log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

from tendies_ops.cli.output import error_console
from tendies_ops.inference import BatchProgress

_LINE_EVERY_S = 10.0


@contextlib.contextmanager
def watch_progress(*, quiet: bool) -> Iterator[Callable[[BatchProgress], None] | None]:
    """Yield the ``on_progress`` of ``run_batch``: a bar, lines, or None."""
    if quiet:
        yield None
    elif error_console.is_terminal:
        with _bar() as bar:
            task = bar.add_task("batch", total=None)
            yield lambda progress: bar.update(
                task, total=progress.total, completed=progress.done + progress.skipped + progress.failed,
                description=describe(progress),
            )  # fmt: skip
    else:
        yield _line_writer()


def describe(progress: BatchProgress) -> str:
    """One state in one line."""
    of = f" of {progress.total}" if progress.total is not None else ""
    left = f", {progress.eta_s:.0f} s left" if progress.eta_s is not None and progress.state == "running" else ""
    words = (
        f"{progress.done} done, {progress.skipped} skipped, {progress.failed} failed{of}, "
        f"{progress.images_per_second:.1f} images/s{left}"
    )
    return f"{words}; waiting: {progress.message[:120]}" if progress.message else words


def _bar() -> Progress:
    columns: list[ProgressColumn] = [BarColumn(bar_width=30), TextColumn("{task.description}", markup=False)]
    return Progress(*columns, TimeElapsedColumn(), console=error_console, transient=True)


def _line_writer() -> Callable[[BatchProgress], None]:
    last_s = time.monotonic()

    def write(progress: BatchProgress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _LINE_EVERY_S or progress.state == "finished":
            last_s = time.monotonic()
            error_console.print(describe(progress), markup=False)

    return write
