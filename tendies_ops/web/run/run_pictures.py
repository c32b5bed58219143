"""From a line of the ledger to the files that it names. A ledger is not trusted: every path is confined."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER, exact_path
from tendies_ops.web.ledger.ledger_index import LedgerIndexes, LedgerLine
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.safety import OutsideError, confine, is_inside
from tendies_ops.web.sources import number_answers
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.sources.remote_files import RemoteFiles

_HITS_SHOWN = 50
_BUDGET_S = 0.2  # a ledger that is not indexed yet gives no pictures this time
_LOOKED_AT = 24


@dataclass(frozen=True)
class Hit:
    """A picture that was found by its path."""

    model_name: str
    line: LedgerLine


def picture_path(run: Run, line: LedgerLine, side: Literal["before", "after"], remote: RemoteFiles) -> Path:
    """
    Return the file on one side of a picture; of one in an object store, a copy.

    :raises OutsideError: it does not exist, is not recorded, or is outside of the run's input or output folder.
    """
    name = "input" if side == "before" else "output"
    relative = exact_path(line.record, name)
    if not relative:
        raise OutsideError(side)
    root, url = (run.input, run.input_url) if side == "before" else (run.output, run.output_url)
    return _file_at(root, url, relative, str(line.record.get(f"{name}_digest")), remote)


def numbers_of(run: Run, line: LedgerLine, remote: RemoteFiles) -> str:
    """Return the model's answer in numbers, if it gave one next to or instead of a picture; else empty."""
    relative = exact_path(line.record, "output")
    if not relative:
        return ""
    try:
        beside = str(PurePosixPath(relative).with_suffix(number_answers.SUFFIX))
        digest = str(line.record.get("output_digest"))
        return number_answers.result_numbers(_file_at(run.output, run.output_url, beside, digest, remote))
    except (OutsideError, ValueError):
        return ""


def _file_at(root: Path | None, url: str | None, relative: str, digest: str, remote: RemoteFiles) -> Path:
    if url:
        return remote.fetch(url, relative, digest)
    if root is None:
        raise OutsideError(relative)
    return confine(root, relative)


def was_rewritten(run: Run, line: LedgerLine) -> bool:
    """Return whether a later run has replaced the result, so that the file is not the one of this line."""
    written_ns = line.record.get("output_modified_ns")
    relative = exact_path(line.record, "output")
    if not relative or not isinstance(written_ns, int) or run.output_url:
        return False
    try:
        return confine(run.output, relative).stat().st_mtime_ns != written_ns
    except (OutsideError, OSError):
        return False


def find_pictures(models: Iterable[KnownModel], ledgers: LedgerIndexes, text: str) -> list[Hit]:
    """Return the newest pictures of every model whose path holds ``text``."""
    hits = []
    outputs: set[Path] = set()
    for model in (part for one in models for part in one.parts):
        if model.output is None or model.output in outputs:
            continue
        outputs.add(model.output)
        if model.mirror is not None:
            model.mirror.refresh()
        ledger = model.output / STATE_FOLDER / LEDGER_NAME
        if not is_inside(model.output, ledger) or not ledger.is_file():
            continue
        index = ledgers.of(ledger)
        index.follow()
        found = index.newest(text, limit=_HITS_SHOWN)
        hits += [Hit(str(line.record.get("model_name") or model.name), line) for line in found]
    return hits[:_HITS_SHOWN]


@dataclass(frozen=True)
class OwnPictures:
    """Some pictures of one run."""

    run: Run
    lines: tuple[LedgerLine, ...]


def own_pictures(ledgers: LedgerIndexes, runs: Iterable[Run], version: int | None, *, limit: int) -> OwnPictures | None:
    """
    Return pictures that the newest run with ``version`` made, spread over its first ones; None: no run made any.

    :param runs: newest first.
    """
    run = next((run for run in runs if run.done and run.version == version), None)
    if run is None:
        return None
    try:
        index = ledgers.of(run.ledger)
    except OutsideError:
        return None
    index.follow(budget_s=_BUDGET_S)
    page = index.page(Query(run.ledger_ids, outcome="done"), offset=0, limit=_LOOKED_AT)
    found = [line for line in page.lines if line.has_picture]
    step = max(1, len(found) // limit)
    return OwnPictures(run, tuple(found[::step][:limit])) if found else None
