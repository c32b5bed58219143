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
                description=progress.in_words()[:200],
            )  # fmt: skip
    else:
        yield _line_writer()


def _bar() -> Progress:
    columns: list[ProgressColumn] = [BarColumn(bar_width=30), TextColumn("{task.description}", markup=False)]
    return Progress(*columns, TimeElapsedColumn(), console=error_console, transient=True)


def _line_writer() -> Callable[[BatchProgress], None]:
    last_s = time.monotonic()

    def write(progress: BatchProgress) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _LINE_EVERY_S or progress.state == "finished":
            last_s = time.monotonic()
            error_console.print(progress.in_words(), markup=False)

    return write
