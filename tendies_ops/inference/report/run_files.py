"""The files of one run: ``.tendies/runs/<run_id>/``."""

from __future__ import annotations

import contextlib
import dataclasses
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from tendies_ops.bounded_work import run_bounded
from tendies_ops.errors import OutputFolderError
from tendies_ops.files import write_bytes_atomically
from tendies_ops.inference.ledger.ledger import STATE_FOLDER
from tendies_ops.inference.report.batch_report import BatchReport, describe_failures
from tendies_ops.inference.results import Answers
from tendies_ops.inference.results.table import (
    TABLE_NAME,
    describe_outputs,
    join_tables,
    write_parquet,
    write_table,
)
from tendies_ops.inference.storage.local import Input, Output
from tendies_ops.reports import ReportPage, write_contact_sheet

OPTIMIZED_SHEET = "optimized_sheet.png"
_SIDE_FILE_S = 10.0  # limit for files that only people read
_SHEET_S = 60.0  # it reads some pictures and results again, perhaps from a store
_TABLES = {"scores": "All numbers as CSV", "scores_parquet": "All numbers as Parquet"}


class RunFiles:
    """Write a run's report and progress."""

    def __init__(self, target: Output, run_id: str) -> None:
        self._target = target
        self.folder = target.state / "runs" / run_id
        with _reported_as_output_trouble(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def write_progress(self, progress: dict[str, Any]) -> None:
        """Rewrite ``progress.json``."""
        with _reported_as_output_trouble(self.folder):
            write_bytes_atomically(self.folder / "progress.json", orjson.dumps(_readable(progress)), durable=False)

    def write_table(self, results: Iterable[tuple[str, str]], answers: Answers) -> dict[str, str]:
        """
        Write the numbers of all pictures as one table.

        :return: the paths ``scores`` and, if pyarrow is installed, ``scores_parquet``; empty without numbers.
        :raises OutputFolderError: it cannot be written.
        """
        with _reported_as_output_trouble(self.folder):
            table = write_table(results, self._target, answers, self.folder / TABLE_NAME)
            return self._place_tables(table)

    def join_tables(self, tables: Sequence[Path]) -> dict[str, str]:
        """
        Join the tables of shards; the result is that of :meth:`write_table`.

        :param tables: their paths, each in the folder of its run.
        """
        of_runs = [f"{STATE_FOLDER}/runs/{table.parent.name}/{table.name}" for table in tables]
        with _reported_as_output_trouble(self.folder):
            return self._place_tables(
                join_tables(self._target.map(self._target.read, of_runs), self.folder / TABLE_NAME)
            )

    def copy_optimized_sheet(self, sheet: Path | None) -> dict[str, str]:
        """
        Copy the sheet that compares the served variant with float32 into the run, because versions are removed later.

        :param sheet: a PNG; None: no sheet.
        :return: the path ``optimized_sheet``; empty without one.
        """
        if sheet is None:
            return {}
        path = self.folder / OPTIMIZED_SHEET
        copied = run_bounded(
            str(path), lambda: write_bytes_atomically(path, sheet.read_bytes(), durable=False), limit_s=_SIDE_FILE_S
        )
        return {"optimized_sheet": self._place(OPTIMIZED_SHEET)} if copied else {}

    def save(
        self,
        report: BatchReport,
        samples: Sequence[tuple[str, str]],
        source: Input,
        tables: Mapping[str, str] = MappingProxyType({}),
    ) -> BatchReport:
        """
        Write report, page and contact sheet; return the report with their paths.

        Only ``report.json`` must be written. Errors of the page and the sheet are logged.

        :param samples: some pictures, each with its first result.
        :param tables: paths of this run's tables and sheet.
        :raises OutputFolderError: ``report.json`` cannot be written.
        """
        with _reported_as_output_trouble(self.folder):
            return self._save(dataclasses.replace(report, paths={**report.paths, **tables}), samples, source)

    def _place_tables(self, table: Path | None) -> dict[str, str]:
        parquet = write_parquet(table) if table is not None else None
        found = {"scores": table, "scores_parquet": parquet}
        return {name: self._place(path.name) for name, path in found.items() if path is not None}

    def _save(self, report: BatchReport, samples: Sequence[tuple[str, str]], source: Input) -> BatchReport:
        paths = {**report.paths, "report": self._place("report.json")}
        if samples and self._side_file("contact_sheet.png", lambda: self._write_sheet(samples, source), _SHEET_S):
            paths["contact_sheet"] = self._place("contact_sheet.png")
        listed = dataclasses.replace(report, paths=dict(paths))
        if self._side_file("report.html", lambda: self._write_page(listed), _SIDE_FILE_S):
            paths["html"] = self._place("report.html")
        report = dataclasses.replace(report, paths=paths)
        write_bytes_atomically(
            self.folder / "report.json", orjson.dumps(_readable(report.as_dict()), option=orjson.OPT_INDENT_2)
        )
        self._target.publish(self.folder)
        return report

    def _side_file(self, name: str, write: Callable[[], object], limit_s: float) -> bool:
        return run_bounded(str(self.folder / name), write, limit_s=limit_s)

    def _place(self, name: str) -> str:
        return self._target.place(self.folder / name)

    def _write_sheet(self, samples: Sequence[tuple[str, str]], source: Input) -> None:
        source.read_ahead(before for before, _ in samples)
        shown = self._target.map(self._shown, [after for _, after in samples])
        pairs = [(source.read(before), after, before) for (before, _), after in zip(samples, shown, strict=True)]
        write_contact_sheet(pairs, self.folder / "contact_sheet.png")

    def _shown(self, path: str) -> bytes | str:
        """Return a result for the sheet: a picture, or a few lines of numbers."""
        data = self._target.read(path)
        if not path.endswith(".json"):
            return data
        return describe_outputs(orjson.loads(data)["outputs"])

    def _write_page(self, report: BatchReport) -> None:
        counts = {"done": report.done, "skipped": report.skipped, "failed": report.failed, "total": report.total}
        facts = {
            "Model": f"{report.model_name}, version {report.version}"
            + (f": {report.version_reason}" if report.version_reason else ""),
            "Model digest": report.model_digest or "not known: the version directory is not visible here",
            "Input": report.input,
            "Output": report.output,
            "Started": report.started_at,
            "Took": f"{report.elapsed_s:.1f} s, {report.images_per_second:.1f} pictures per second",
            "Requests": f"{report.requests}, of these {report.retries} repeated or split",
            "Requests at once": f"up to {report.peak_concurrency}",
            "Other files": report.ignored,
            "Notes": f"{report.noted} results have a note in the ledger" if report.noted else "none",
            "Failures": describe_failures(report.summary()),
        }
        ReportPage(
            title=f"Batch run {report.run_id}",
            ok=report.ok is not False,
            verdict=verdict(report),
            counts=counts,
            facts=facts,
            failures=[dataclasses.asdict(failure) for failure in report.failures],
            by_kind=report.failures_by_kind,
            contact_sheet="contact_sheet.png" if "contact_sheet" in report.paths else "",
            optimized_sheet=OPTIMIZED_SHEET if "optimized_sheet" in report.paths else "",
            downloads={
                title: posixpath.basename(report.paths[name]) for name, title in _TABLES.items() if name in report.paths
            },
        ).write(self.folder / "report.html")


@contextlib.contextmanager
def _reported_as_output_trouble(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFolderError(f"{folder} cannot be written: {error.strerror}. Finished results are kept.") from error


def verdict(report: BatchReport) -> str:
    """Return a short verdict on the run."""
    if report.ok is False:
        return "too many pictures failed"
    return "all pictures done" if report.failed == 0 else "done, some pictures failed"


def _readable(value: Any) -> Any:
    """Replace undecodable bytes in names, for JSON. The ledger keeps the exact names."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if isinstance(value, dict):
        return {key: _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return value
