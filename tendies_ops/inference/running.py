"""``run_batch``: a folder in, a folder out, every picture accounted for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from tendies_ops.errors import BatchError, InputFolderError
from tendies_ops.inference.coordinator import Coordinator
from tendies_ops.inference.exchange import Exchange, Replica
from tendies_ops.inference.globs import PathFilter
from tendies_ops.inference.learned import LearnedFile
from tendies_ops.inference.ledger import LEDGER_NAME, Ledger, RunStamp
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.outcomes import Found, Outcome
from tendies_ops.inference.planning import Plan, Todo
from tendies_ops.inference.progress import ProgressTeller
from tendies_ops.inference.report import BatchProgress, BatchReport
from tendies_ops.inference.run_files import RunFiles
from tendies_ops.inference.servers import find_manifest, open_replicas, pin_version, version_lease
from tendies_ops.inference.sharding import ShardLedger, belongs_to_shard, merge_shard_ledgers
from tendies_ops.inference.storage import Input, Output, open_folders
from tendies_ops.inference.tally import Tally
from tendies_ops.spec import Manifest

_BREATHE_EVERY = 256  # files of the listing between two looks at the clock


def run_batch(
    options: BatchOptions,
    *,
    cancelled: threading.Event | None = None,
    on_progress: Callable[[BatchProgress], None] | None = None,
) -> BatchReport:
    """
    Run every picture below ``options.input`` through one version of a served model.

    :param cancelled: set it to stop: the run raises within two seconds.
    :param on_progress: called a few times a second, in this thread.
    :raises StoppedError: ``cancelled`` was set. What is done is kept.
    :raises InputFolderError: the input cannot be read, or holds no picture and ``allow_empty`` is off.
    :raises OutputFolderError: the results cannot be written.
    :raises VersionGoneError: the pinned version is not served, or no longer.
    :raises ServerUnreachableError: no server answers at the start.
    :raises ServerSickError: the servers said no for longer than ``sick_deadline_s``.
    :raises WrongContractError: the model does not take and give image files.
    :raises BatchError: the counts do not add up.
    """
    source, target = open_folders(options.input, options.output, options.run_id)
    cancelled = cancelled or threading.Event()
    with open_replicas(options) as replicas, target.locked(options.shard):
        version = pin_version(replicas, options)
        manifest = find_manifest(options, version)
        options = _with_contract(options, manifest)
        stamp = RunStamp(
            options.run_id, options.model_name, version, manifest.model_digest if manifest else None, options.digest
        )
        with version_lease(options, version):
            run = _Run(options, stamp, source, target, on_progress)
            return run.execute(replicas, cancelled)


class _Run:
    """What one run holds open."""

    def __init__(
        self,
        options: BatchOptions,
        stamp: RunStamp,
        source: Input,
        target: Output,
        on_progress: Callable[[BatchProgress], None] | None,
    ) -> None:
        self._options, self._stamp, self._source, self._target = options, stamp, source, target
        self._on_progress = on_progress
        self._files = RunFiles(target, options.run_id)
        self._learned = LearnedFile(target.state / "learned.json", stamp.model_name, stamp.version)
        self._tally = Tally()
        self._started_at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._started_s = time.monotonic()

    def execute(self, replicas: list[Replica], cancelled: threading.Event) -> BatchReport:
        options = self._options
        ledger = self._open_ledger()
        try:
            plan = Plan(ledger, self._stamp, self._target, retry_failed=options.retry_failed)
            if options.dry_run:
                return self._report(to_do=self._count_to_do(plan), speed=self._learned.read().images_per_second)
            exchange = Exchange(options, self._stamp, self._source, self._target)
            run = Coordinator(
                exchange, replicas, ledger, tally=self._tally, cancelled=cancelled, learned=self._learned.read()
            )
            teller = ProgressTeller(options, self._stamp, run, self._files, self._on_progress)
            for _ in run.run(self._todos(plan, run)):
                teller.tick()
                self._target.keep_up()
            report = self._report()
            teller.finish()
            if report.done:
                self._learned.write(run.learned(report.images_per_second))
        finally:
            ledger.close()
        self._check(report)
        return self._files.save(report, self._tally.samples, self._source)

    def _open_ledger(self) -> Ledger:
        if self._options.shard is not None:
            return ShardLedger(self._target.state, self._options.shard)
        merge_shard_ledgers(self._target.state)
        return Ledger(self._target.state / LEDGER_NAME)

    def _listing(self) -> Iterator[Found]:
        options = self._options
        keep = PathFilter(options.include, options.exclude, include_hidden=options.include_hidden)
        found = self._source.find(keep, leave_out=self._options.output)
        return (one for one in found if options.shard is None or belongs_to_shard(one.path, *options.shard))

    def _todos(self, plan: Plan, run: Coordinator) -> Iterator[Todo | None]:
        """What the workers must look at; everything else is settled here."""
        for found in self._listing():
            self._tally.found += 1
            if self._tally.found % _BREATHE_EVERY == 0:
                yield None
            todo = plan.decide(found)
            if todo.step == "skip":
                self._tally.count(Outcome(found, "skipped"))
            elif todo.step == "again":
                self._tally.count(Outcome(found, "failed", todo.kind, todo.reason))
            else:
                yield todo
                if self._options.sample and self._tally.found >= self._options.sample:
                    return

    def _count_to_do(self, plan: Plan) -> int:
        to_do = 0
        for found in self._listing():
            self._tally.found += 1
            todo = plan.decide(found)
            if todo.step == "skip":
                self._tally.count(Outcome(found, "skipped"))
            elif todo.step == "again":
                self._tally.count(Outcome(found, "failed", todo.kind, todo.reason))
            else:
                to_do += 1
        return to_do

    def _report(self, *, to_do: int = 0, speed: float = 0.0) -> BatchReport:
        tally, stamp, options = self._tally, self._stamp, self._options
        elapsed_s = time.monotonic() - self._started_s
        total = tally.total + to_do
        return BatchReport(
            run_id=options.run_id,
            model_name=stamp.model_name,
            version=stamp.version,
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
            elapsed_s=round(elapsed_s, 3),
            images_per_second=round(tally.done / elapsed_s, 2) if elapsed_s > 0 else 0.0,
            requests=tally.requests,
            request_ms=round(tally.answered_ms / tally.answered, 3) if tally.answered else 0.0,
            retries=tally.retries,
            peak_concurrency=tally.peak_concurrency,
            failures_by_kind=dict(tally.failures_by_kind),
            failures=tuple(tally.failures),
            dry_run=options.dry_run,
            estimate_s=round(to_do / speed, 1) if speed > 0 else None,
            paths={"ledger": self._target.place(self._target.state / LEDGER_NAME)},
        )

    def _check(self, report: BatchReport) -> None:
        found = self._tally.found - self._tally.ignored
        if found != report.total:
            raise BatchError(
                f"The counts do not add up: {found} pictures were found, but {report.total} have an outcome "
                f"({report.done} done, {report.skipped} skipped, {report.failed} failed). "
                "Run it again: nothing is lost."
            )
        if report.total == 0 and not self._options.allow_empty:
            raise InputFolderError(
                f"No picture was found below {self._options.input}"
                + (f" ({report.ignored} other files)" if report.ignored else "")
                + ". Check the path and the include and exclude patterns, or allow an empty run."
            )


def _with_contract(options: BatchOptions, manifest: Manifest | None) -> BatchOptions:
    """A fixed size that is not given is taken from the manifest, unless the graph resizes by itself."""
    if options.size is not None or manifest is None:
        return options
    contract = manifest.contract.input
    if contract.size is None or contract.resize != "exact":
        return options
    return options.replaced(size=(contract.size.height, contract.size.width))
