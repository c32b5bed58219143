"""A few pictures of the model's own runs: what people recognise a model by. No FastAPI."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tendies_ops.web.ledger.ledger_index import LedgerIndexes, LedgerLine
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.safety import OutsideError

_BUDGET_S = 0.2  # a ledger that is not indexed yet gives no pictures this time
_LOOKED_AT = 24


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
