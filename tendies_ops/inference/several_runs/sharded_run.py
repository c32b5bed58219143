"""
One batch as several runs at the same time, on one machine or many, over disjoint parts of the same folder.

The pictures of a shard are decided in ``listing/shares.py``. Each shard appends to a ledger of its own, because two
hosts must not append to one file over a network, and reads the common one for what was done before. When all have
ended, their ledgers are appended to the common one; a run that finds ledgers of a killed batch of shards does that
first. In an object store every writer has segments of its own anyway (``ledger/segments.py``).
"""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.errors import BatchError
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, SHARD_LEDGERS, Ledger, read_record
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.ownership import claim_output
from tendies_ops.inference.report.batch_report import BatchReport, FailedPicture
from tendies_ops.inference.report.run_files import RunFiles
from tendies_ops.inference.requests.pin_version import (
    find_answers,
    find_manifest,
    find_optimized_sheet,
    no_note,
    open_replicas,
    pin_version,
)
from tendies_ops.inference.selection import files_to_do
from tendies_ops.inference.storage.local import Input, Output, open_folders

_SHARDS_A_SLOT = 6  # one worker of three times the others' slowness then costs at most an eighth of the time
_MOST_SHARDS = 1024  # as many tasks as Airflow maps by default
_FAILURES_KEPT = 1000
_SAMPLES = 24
_LINES_AT_ONCE = 1000
_TAIL_BYTES = 1 << 18


@dataclass(frozen=True)
class ShardPlan:
    """The shards of a batch."""

    version: int  #: pinned for all shards
    pictures: int
    size_bytes: int
    shards: int
    slots: int | None = None  #: shards that run at a time; None: all
    version_reason: str = ""  #: reason for this version, as a clause


def plan_shards(
    options: BatchOptions,
    *,
    max_shards: int,
    pictures_per_shard: int = 500,
    bytes_per_shard: int = 512 << 20,
    cancelled: threading.Event | None = None,
    on_note: Callable[[str], None] = no_note,
) -> ShardPlan:
    """
    List the folder once and decide on the number of shards.

    A large folder has up to six times as many shards as run at a time, the later ones small.

    :param max_shards: shards that run at a time, at most.
    :param pictures_per_shard: a folder with fewer is not split.
    :param bytes_per_shard: a folder with fewer bytes is not split either.
    :param cancelled: set it to stop waiting for a release that is under way.
    :param on_note: gets a sentence if the run has to wait for a release.
    :raises InputFolderError: the folder cannot be read.
    :raises VersionGoneError: the version is not served, or no version is in service.
    :raises NotNowError: a release was proving the only version that serves, for longer than ``sick_deadline_s``.
    """
    source, target = open_folders(options)
    with open_replicas(options) as replicas, target.locked():
        pin = pin_version(replicas, options, cancelled or threading.Event(), on_note)
        answers = find_answers(replicas, options, pin.version, find_manifest(options, pin.version))
        claim_output(options, answers, source, target, lambda: files_to_do(options, source))
        merge_shard_ledgers(target.state)
        sizes = [found.size_bytes for found in files_to_do(options.replaced(sample=None), source)]
    wanted = max(math.ceil(len(sizes) / pictures_per_shard), math.ceil(sum(sizes) / bytes_per_shard), 1)
    wanted = 1 if options.sample else max(1, min(wanted, len(sizes)))  # a sample is of the whole folder
    shards = wanted if wanted <= max_shards else min(wanted, _SHARDS_A_SLOT * max_shards, _MOST_SHARDS)
    return ShardPlan(pin.version, len(sizes), sum(sizes), shards, max_shards, pin.why)


class ShardLedger(Ledger):
    """The ledger of one shard: it appends to its own file and also reads the common one."""

    def __init__(self, state: Path, shard: tuple[int, int]) -> None:
        index, count = shard
        self._common = Ledger(state / LEDGER_NAME)
        super().__init__(state / f"ledger.shard-{index}-of-{count}.jsonl")

    def newest(self, path: str) -> dict[str, Any] | None:
        """Return the last record of an input: this shard's own is younger than the common one."""
        return super().newest(path) or self._common.newest(path)

    def close(self) -> None:
        """Close both files."""
        self._common.close()
        super().close()


def merge_shard_ledgers(state: Path) -> int:
    """
    Append the shards' ledgers to the common one. The caller holds the folder's exclusive lock.

    If it is killed halfway, the next merge appends some lines again, which is harmless.

    :return: the number of files.
    """
    files = sorted(state.glob(SHARD_LEDGERS))
    if not files:
        return 0
    common = Ledger(state / LEDGER_NAME)
    try:
        for file in files:
            with file.open("rb") as stream:
                whole = filter(None, map(read_record, stream))
                while some := list(itertools.islice(whole, _LINES_AT_ONCE)):
                    common.append(some)
    finally:
        common.close()
    for file in files:
        file.unlink()
    return len(files)


def finish_shards(options: BatchOptions, plan: ShardPlan, summaries: Sequence[dict[str, Any]]) -> BatchReport:
    """
    Make one report and one ledger of those of the shards.

    :param options: of the whole batch, without a shard.
    :param summaries: of the shards that have ended.
    :raises BatchError: shards are missing, or used another version than planned.
    """
    source, target = open_folders(options)
    with target.locked():
        merge_shard_ledgers(target.state)
        return _finish_locked(options, plan, summaries, source, target)


def _finish_locked(
    options: BatchOptions, plan: ShardPlan, summaries: Sequence[dict[str, Any]], source: Input, target: Output
) -> BatchReport:
    others = {summary["version"] for summary in summaries} - {plan.version}
    if len(summaries) != plan.shards or others:
        raise BatchError(
            f"{len(summaries)} of {plan.shards} shards have ended"
            + (f", some with version {', '.join(map(str, others))} instead of {plan.version}" if others else "")
            + ". What they did is kept: clear the failed ones, and this one, to do the rest."
        )
    report = _sum_up(options, plan, summaries, ledger=target.place(target.state / LEDGER_NAME))
    files = RunFiles(target, options.run_id)
    tables = [Path(summary["paths"]["scores"]) for summary in summaries if "scores" in summary["paths"]]
    sheet = find_optimized_sheet(options, plan.version, find_manifest(options, plan.version))
    beside = {**files.join_tables(tables), **files.copy_optimized_sheet(sheet)}
    return files.save(report, _samples(target.state), source, beside)


def _sum_up(options: BatchOptions, plan: ShardPlan, summaries: Sequence[dict[str, Any]], *, ledger: str) -> BatchReport:
    total, done, skipped, failed = (_sum(summaries, name) for name in ("total", "done", "skipped", "failed"))
    first = summaries[0]
    elapsed_s = _elapsed_s(summaries)
    requests = _sum(summaries, "requests")
    kinds: Counter[str] = Counter()
    for summary in summaries:
        kinds.update(summary["failures_by_kind"])
    failures = [failure for summary in summaries for failure in _failures(summary)]
    return BatchReport(
        run_id=options.run_id,
        model_name=options.model_name,
        version=plan.version,
        version_reason=plan.version_reason,
        started_by=options.started_by,
        model_digest=first["model_digest"],
        options_digest=first["options_digest"],
        input=options.input,
        output=options.output,
        started_at=min(summary["started_at"] for summary in summaries),
        total=total,
        done=done,
        skipped=skipped,
        failed=failed,
        to_do=0,
        ignored=_sum(summaries, "ignored"),
        noted=_sum(summaries, "noted"),
        ok=options.is_ok(failed=failed, total=total),
        failures_allowed=options.failures_allowed(total),
        elapsed_s=elapsed_s,
        images_per_second=round(done / elapsed_s, 2) if elapsed_s > 0 else 0.0,
        requests=requests,
        replicas=_replicas(summaries),
        request_ms=round(sum(s["request_ms"] * s["requests"] for s in summaries) / requests, 3) if requests else 0.0,
        retries=_sum(summaries, "retries"),
        peak_concurrency=max(summary["peak_concurrency"] for summary in summaries),
        failures_by_kind=dict(kinds),
        failures=tuple(failures[:_FAILURES_KEPT]),
        paths={"ledger": ledger},
        parameters=options.run_parameters,
    )


def _sum(summaries: Iterable[dict[str, Any]], name: str) -> int:
    return sum(int(summary[name]) for summary in summaries)


def _replicas(summaries: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Add up each server's figures over all shards."""
    whole: dict[str, dict[str, Any]] = {}
    for replica in itertools.chain.from_iterable(summary.get("replicas", ()) for summary in summaries):
        known = whole.setdefault(replica["server"], {**replica, "answered": 0, "taken_out": 0})
        known["answered"] += replica["answered"]
        known["taken_out"] += replica["taken_out"]
        known["trouble"] = replica["trouble"]
    return tuple(whole.values())


def _elapsed_s(summaries: Sequence[dict[str, Any]]) -> float:
    """Return the seconds from the first start to the last end."""
    starts = [datetime.fromisoformat(summary["started_at"]).timestamp() for summary in summaries]
    ends = [start + float(summary["elapsed_s"]) for start, summary in zip(starts, summaries, strict=True)]
    return round(max(ends) - min(starts), 3)


def _failures(summary: dict[str, Any]) -> list[FailedPicture]:
    report = _read_report(summary)
    return [FailedPicture(**failure) for failure in report.get("failures", ())]


def _samples(state: Path) -> list[tuple[str, str]]:
    """Return some of the pictures that were done last, from the end of the common ledger."""
    with (state / LEDGER_NAME).open("rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - _TAIL_BYTES))
        lines = stream.read().split(b"\n")  # the first one may be cut off, and is skipped then
    records = [record for record in map(read_record, lines) if record and record["outcome"] == "done"]
    pairs = {record["input"]: (record["input"], record["output"]) for record in records if "input_b64" not in record}
    step = max(1, len(pairs) // _SAMPLES)
    return list(pairs.values())[::step][:_SAMPLES]


def _read_report(summary: dict[str, Any]) -> dict[str, Any]:
    """Return a shard's own report; empty if it is gone: it only adds names."""
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(summary["paths"]["report"])
        content: dict[str, Any] = orjson.loads(files.cat_file(path))
    except (OSError, KeyError, ValueError):
        return {}
    return content
