"""
Every picture once for each of several parameters: a run and a folder of results for each combination.

    output/style=3/...   output/style=9/...   output/styles.png

Each folder has its own ledger, so what is done stays done when another value is added.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from tendies_ops.errors import UsageError
from tendies_ops.files.object_store import is_remote
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, Ledger, exact_path
from tendies_ops.inference.listing.listing import spread_sample
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.report.batch_report import BatchReport
from tendies_ops.inference.selection import files_to_do
from tendies_ops.inference.storage.local import open_folders

MATRIX_NAME = "fan_out.png"
_MOST_COMBINATIONS = 1000
_MOST_ROWS, _MOST_COLUMNS = 8, 32
Combination = Mapping[str, JsonValue]


def read_combinations(texts: Sequence[str]) -> list[Combination]:
    """
    Read ``style=0..25`` (both ends belong to it) and ``style=monet,wave``; of several, every combination.

    :raises UsageError: one cannot be read, or there are more than 1,000 combinations.
    """
    dimensions = [_read_dimension(text) for text in texts]
    count = 1
    for _, values in dimensions:
        count *= len(values)
    if count > _MOST_COMBINATIONS:
        raise UsageError(f"--fan-out makes {count:,} combinations; {_MOST_COMBINATIONS:,} are allowed.")
    names = [name for name, _ in dimensions]
    return [
        dict(zip(names, values, strict=True)) for values in itertools.product(*(values for _, values in dimensions))
    ]


def _read_dimension(text: str) -> tuple[str, list[JsonValue]]:
    name, sign, values = text.partition("=")
    low, dots, high = values.partition("..")
    if sign and name.strip() and dots and low.strip().isdigit() and high.strip().isdigit():
        found: list[JsonValue] = list(range(int(low), int(high) + 1))
    else:
        found = [yaml.safe_load(value) for value in values.split(",") if value.strip()]
    if not (sign and name.strip() and found):
        raise UsageError(f"--fan-out takes NAME=FIRST..LAST or NAME=VALUE,VALUE; found {text!r}.")
    return name.strip(), found


def folder_of(combination: Combination) -> str:
    """Return the name of the results' folder, such as ``style=9,strength=0.5``."""
    return ",".join(f"{name}={value}" for name, value in combination.items()).replace("/", "_")


def run_fan_out(
    options: BatchOptions,
    combinations: Sequence[Combination],
    run: Callable[[BatchOptions], BatchReport],
) -> dict[str, BatchReport]:
    """
    Run the batch once for each combination, whose values win over all others, and draw some pictures under all of them.

    :param run: runs one batch.
    :return: folder below the output -> report.
    """
    reports = {
        folder_of(one): run(
            options.replaced(
                run_id=f"{options.run_id}.{number}",
                output=f"{options.output.rstrip('/')}/{folder_of(one)}",
                fixed_parameters=one,
            )
        )
        for number, one in enumerate(combinations, 1)
    }
    if not (options.dry_run or is_remote(options.input) or is_remote(options.output)):
        write_matrix_of(options, list(reports))
    return reports


def write_matrix_of(options: BatchOptions, folders: Sequence[str]) -> Path:
    """Draw a row for each of some pictures and a column for each combination."""
    from tendies_ops.reports.contact_sheet import write_matrix

    source, _ = open_folders(options)
    sample = [found.path for found in spread_sample(files_to_do(options, source), _MOST_ROWS)]
    source.close()
    columns = {folder: _results(Path(options.output) / folder, sample) for folder in folders[:_MOST_COLUMNS]}
    rows = [
        (path, [Path(options.input) / path, *(results.get(path, "") for results in columns.values())])
        for path in sample
    ]
    return write_matrix(["", *columns], rows, Path(options.output) / MATRIX_NAME)


def _results(output: Path, sample: Sequence[str]) -> dict[str, Any]:
    """Map pictures to their results, by the ledger of one combination."""
    ledger = Ledger(output / ".tendies" / LEDGER_NAME)
    try:
        newest = {path: ledger.newest(path) for path in sample}
    finally:
        ledger.close()
    return {path: output / (exact_path(record, "output") or "") for path, record in newest.items() if record}
