"""Run a folder of pictures through a served model, with one outcome for each picture."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone

from tendies_ops.bounded_work import run_bounded
from tendies_ops.errors import BatchError, InputFolderError, UsageError, VersionGoneError
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, Ledger, RunStamp
from tendies_ops.inference.listing.listing import Listing
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.ownership import claim_output
from tendies_ops.inference.picture.picture_parameters import Parameters, open_parameters
from tendies_ops.inference.plan import Plan, Todo
from tendies_ops.inference.report.batch_report import BatchProgress, BatchReport
from tendies_ops.inference.report.learned import LearnedFile
from tendies_ops.inference.report.progress import ProgressReporter
from tendies_ops.inference.report.run_files import RunFiles
from tendies_ops.inference.report.tally import Tally
from tendies_ops.inference.requests.coordinator import Coordinator
from tendies_ops.inference.requests.exchange import Exchange
from tendies_ops.inference.requests.pin_version import (
    PinnedVersion,
    find_answers,
    find_manifest,
    find_optimized_sheet,
    no_note,
    open_replicas,
    pinned_version,
)
from tendies_ops.inference.requests.replica import Replica
from tendies_ops.inference.requests.rotation import describe_replicas
from tendies_ops.inference.requests.version_gone import explain_version_gone
from tendies_ops.inference.results import Answers
from tendies_ops.inference.results.table import ResultList
from tendies_ops.inference.selection import files_to_do
from tendies_ops.inference.several_runs.sharded_run import ShardLedger, merge_shard_ledgers
from tendies_ops.inference.storage.ignored import is_ignored
from tendies_ops.inference.storage.local import Input, Output, open_folders
from tendies_ops.spec import Manifest

_BREATHE_EVERY = 256  # files of the listing between two checks of the clock
_SIDE_FILE_S = 10.0  # limit for a small file of hints


def run_batch(
    options: BatchOptions,
    *,
    cancelled: threading.Event | None = None,
    on_progress: Callable[[BatchProgress], None] | None = None,
    on_note: Callable[[str], None] = no_note,
) -> BatchReport:
    """
    Run every picture below ``options.input`` through one version of a served model.

    :param cancelled: when set, the run raises within two seconds.
    :param on_progress: called a few times a second in a thread of its own; its errors only cost progress.
    :param on_note: gets a sentence about the version and the reason for it, and one if the run has to wait for it.
    :raises StoppedError: ``cancelled`` was set. Finished results are kept.
    :raises InputFolderError: the input cannot be read, or has no picture and ``allow_empty`` is off.
    :raises OutputFolderError: the results cannot be written.
    :raises OutputOwnedError: the output folder holds results that are not this run's.
    :raises VersionGoneError: the pinned version is not served or was unloaded, or no version is in service.
    :raises NotNowError: a release was proving the only version that serves, for longer than ``sick_deadline_s``.
    :raises ServerUnreachableError: no server answers at the start.
    :raises ServerSickError: the servers could not answer for longer than ``sick_deadline_s``.
    :raises WrongContractError: the model does not take and return image files.
    :raises BatchError: the counts do not add up.
    """
    source, target = open_folders(options)
    cancelled = cancelled or threading.Event()
    with contextlib.closing(source), open_replicas(options) as replicas, target.locked(options.shard):
        setting = _Setting(source, target, replicas, cancelled, on_progress)
        with pinned_version(replicas, options, cancelled, on_note) as pin:
            return _run_version(options, pin, setting)


@dataclass(frozen=True)
class _Setting:
    """The ends of a run: its files, its servers, and its caller."""

    source: Input
    target: Output
    replicas: list[Replica]
    cancelled: threading.Event
    on_progress: Callable[[BatchProgress], None] | None


def _run_version(options: BatchOptions, pin: PinnedVersion, setting: _Setting) -> BatchReport:
    version = pin.version
    manifest = find_manifest(options, version)
    answers = find_answers(setting.replicas, options, version, manifest)
    options = _with_contract(options, manifest, answers)
    digest = manifest.model_digest if manifest else None
    input_folder = claim_output(
        options, answers, setting.source, setting.target, lambda: files_to_do(options, setting.source)
    )
    stamp = RunStamp(options.run_id, options.model_name, version, digest, options.digest, input_folder)
    return _Run(options, stamp, answers, setting, manifest=manifest, version_reason=pin.why).execute()


class _Run:
    """One run, with its open files."""

    def __init__(
        self,
        options: BatchOptions,
        stamp: RunStamp,
        answers: Answers,
        setting: _Setting,
        *,
        manifest: Manifest | None,
        version_reason: str,
    ) -> None:
        self._options, self._stamp, self._answers, self._setting = options, stamp, answers, setting
        self._source, self._target, self._manifest = setting.source, setting.target, manifest
        self._version_reason = version_reason
        self._files = RunFiles(self._target, options.run_id)
        self._learned = LearnedFile(self._target.state / "learned.json", stamp.model_name, stamp.version)
        self._tally = Tally(results=ResultList(self._target.state) if answers.kind == "values" else None)
        self._started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._started_s = time.monotonic()

    def execute(self) -> BatchReport:
        with contextlib.ExitStack() as stack:
            if self._tally.results is not None:
                stack.callback(self._tally.results.close)
            ledger = self._open_ledger()
            stack.callback(ledger.close)
            parameters = open_parameters(self._answers.inputs, self._options, self._source, self._stamp.version)
            plan = Plan(ledger, self._stamp, self._target, parameters, retry_failed=self._options.retry_failed)
            listing = Listing(files_to_do(self._options, self._source))
            stack.callback(listing.close)
            todos = self._todos(plan, listing)
            if self._options.dry_run:
                report = self._report(to_do=self._count(todos), speed=self._learned.read().images_per_second)
                self._check(report)
                return report
            self._work(ledger, todos, listing, parameters)
            report = self._report()
            self._check(report)
            sheet = find_optimized_sheet(self._options, self._stamp.version, self._manifest)
            beside = {**self._write_tables(), **self._files.copy_optimized_sheet(sheet)}
            return self._files.save(report, self._tally.samples, self._source, beside)

    def _work(self, ledger: Ledger, todos: Iterator[Todo | None], listing: Listing, parameters: Parameters) -> None:
        setting, tally = self._setting, self._tally
        run = Coordinator(
            Exchange(self._options, self._stamp, (self._source, self._target), self._answers, parameters),
            setting.replicas,
            ledger,
            tally=tally,
            cancelled=setting.cancelled,
            learned=self._learned.read(),
        )
        teller = ProgressReporter(self._options, self._stamp, run, self._files, setting.on_progress)
        try:
            for _ in run.run(todos):
                tally.listed = listing.total
                teller.tick()
                self._target.keep_up()
        except VersionGoneError as error:
            told = explain_version_gone(error, self._options, self._stamp.version, tally)
            teller.stop(told)
            raise told from error
        except BaseException as error:
            teller.stop(error)
            raise
        teller.finish()
        if tally.done:
            learned = run.learned(tally.done / (time.monotonic() - self._started_s))
            run_bounded("learned.json", lambda: self._learned.write(learned), limit_s=_SIDE_FILE_S)

    def _count(self, todos: Iterator[Todo | None]) -> int:
        """Count the pictures that a run would process, by the first bytes of files with other extensions."""
        to_do = 0
        for todo in todos:
            if todo is None:
                continue
            with contextlib.suppress(OSError):  # a run counts it as failed
                if is_ignored(todo.found, self._source):
                    self._tally.ignored += 1
                    continue
            to_do += 1
        return to_do

    def _open_ledger(self) -> Ledger:
        if self._options.shard is not None and self._target.shares_one_ledger:
            return ShardLedger(self._target.state, self._options.shard)
        merge_shard_ledgers(self._target.state)
        return Ledger(self._target.state / LEDGER_NAME)

    def _todos(self, plan: Plan, listing: Listing) -> Iterator[Todo | None]:
        """Yield the files for the workers; count the outcome of all others."""
        for found in listing:
            if found is None:
                yield None
                continue
            self._tally.found += 1
            if self._tally.found % _BREATHE_EVERY == 0:
                yield None
            todo = plan.decide(found)
            if todo.settled is None:
                yield todo
            else:
                self._tally.count(todo.settled)

    def _write_tables(self) -> dict[str, str]:
        """Write the run's numbers as tables and return their paths; empty if its results are pictures."""
        results = self._tally.results
        return {} if results is None else self._files.write_table(results, self._answers)

    def _report(self, *, to_do: int = 0, speed: float = 0.0) -> BatchReport:
        tally, stamp, options = self._tally, self._stamp, self._options
        elapsed_s = time.monotonic() - self._started_s
        total = tally.total + to_do
        return BatchReport(
            run_id=options.run_id,
            model_name=stamp.model_name,
            version=stamp.version,
            version_reason=self._version_reason,
            started_by=options.started_by,
            model_digest=stamp.model_digest,
            options_digest=stamp.options_digest,
            input=options.input,
            output=options.output,
            started_at=self._started_at,
            total=total,
            done=tally.done,
            skipped=tally.skipped,
            failed=tally.failed,
            to_do=to_do,
            ignored=tally.ignored,
            ok=options.is_ok(failed=tally.failed, total=total),
            failures_allowed=options.failures_allowed(total),
            elapsed_s=round(elapsed_s, 3),
            images_per_second=round(tally.done / elapsed_s, 2) if elapsed_s > 0 else 0.0,
            requests=tally.requests,
            replicas=describe_replicas(self._setting.replicas),
            request_ms=round(tally.answered_ms / tally.answered, 3) if tally.answered else 0.0,
            retries=tally.retries,
            peak_concurrency=tally.peak_concurrency,
            failures_by_kind=dict(tally.failures_by_kind),
            failures=tuple(tally.failures),
            noted=tally.noted,
            notes=tuple(tally.notes),
            dry_run=options.dry_run,
            estimate_s=round(to_do / speed, 1) if speed > 0 else None,
            paths={"ledger": self._target.place(self._target.state / LEDGER_NAME)},
            parameters=options.run_parameters,
        )

    def _check(self, report: BatchReport) -> None:
        found = self._tally.found - self._tally.ignored
        if found != report.total:
            raise BatchError(
                f"The counts do not add up: {found} pictures were found, but {report.total} have an outcome "
                f"({report.done} done, {report.skipped} skipped, {report.failed} failed). "
                "Rerun the batch: nothing is lost."
            )
        if report.total == 0 and not self._options.allow_empty:
            raise InputFolderError(
                f"No picture was found below {self._options.input}"
                + (f" ({report.ignored} other files)" if report.ignored else "")
                + ". Check the path and the include and exclude patterns, or allow an empty run."
            )


def _with_contract(options: BatchOptions, manifest: Manifest | None, answers: Answers) -> BatchOptions:
    """
    Complete the options from the manifest: a fixed size, unless the graph resizes, and class pixels.

    :raises UsageError: the options do not fit the outputs of the model.
    """
    if options.size_policy == "tile" and answers.kind == "values":
        raise UsageError(
            f"{options.model_name} answers {', '.join(answers.outputs)}, which cannot be put together from tiles. "
            "Use the size policy fit, pad or crop."
        )
    if manifest is None:
        return options
    kinds = {manifest.contract.for_output(name).kind for name in ("", *manifest.contract.outputs)}
    contract = manifest.contract.input
    size = options.size
    if size is None and contract.size is not None and contract.resize == "exact":
        size = contract.size.height, contract.size.width
    return options.replaced(size=size, class_pixels=options.class_pixels or kinds == {"segmentation"})
