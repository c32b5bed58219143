"""The contents of a run's pages, ready for the templates."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from tendies_ops.inference.ledger.outcomes import LASTING_KINDS
from tendies_ops.web.ledger.ledger_index import LedgerIndex
from tendies_ops.web.ledger.ledger_places import Query
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.find_runs import list_runs, reasons
from tendies_ops.web.run.parameter_words import Inputs, common_words, parameter_filters, record_words
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.views.charts import Series, line_chart

PICTURES_ON_PAGE = 48
_KIND_WORDS = {
    "unreadable": "Cannot be read",
    "not_an_image": "Not a picture",
    "unsupported": "Unsupported format",
    "too_large": "Too large",
    "damaged": "Damaged",
    "refused": "Refused by the model",
    "server_error": "The server fails on it",
    "bad_output": "The result is not a picture",
    "unwritable": "Result cannot be written",
}


#: Kinds that the same file, version and settings would only repeat.
_LASTING = {*LASTING_KINDS, "too_large"}


def kind_words(kind: str | None) -> str:
    """Return a kind of failure as text."""
    return _KIND_WORDS.get(kind or "", (kind or "failed").replace("_", " ").capitalize())


def run_values(run: Run) -> dict[str, Any]:
    """Return what every page of a run needs."""
    return {"run": run, "rate_chart": rate_chart, "kind_words": kind_words}


def rate_chart(run: Run) -> Markup:
    """Images a second over the run's time."""
    return line_chart([Series("images a second", run.rates)], unit="img/s", label="Images a second over the run")


def gallery_values(index: LedgerIndex, wanted: Query, page_number: int, inputs: Inputs) -> dict[str, Any]:
    """
    One page of the gallery, with the filters and how many each would show.

    :param inputs: what the model takes besides the picture.
    """
    share_known = index.follow()
    counts = index.counts(wanted.run_ids or ())
    parameters = index.parameters(wanted.run_ids or ())
    by_outcome: dict[str, int] = {}
    for (outcome, _), number in counts.items():
        by_outcome[outcome] = by_outcome.get(outcome, 0) + number
    return {
        "wanted": wanted,
        "page": index.page(wanted, offset=(page_number - 1) * PICTURES_ON_PAGE, limit=PICTURES_ON_PAGE),
        "page_number": page_number,
        "page_size": PICTURES_ON_PAGE,
        "share_known": share_known,
        "kinds": reasons(counts),
        "retryable": sum(number for kind, number in reasons(counts) if kind not in _LASTING),
        "parameter_filters": parameter_filters(parameters, inputs),
        "parameters_words": common_words(parameters, inputs),
        "words_of": lambda line: record_words(line.record, inputs),
        "filters": [
            ("", "All", sum(by_outcome.values())),
            ("done", "Done", by_outcome.get("done", 0)),
            ("failed", "Failed", by_outcome.get("failed", 0)),
        ],
    }


def earlier_run(model: KnownModel, run: Run) -> Run | None:
    """Return the newest run before this one that made pictures: those that this one skipped."""
    if run.done or not run.skipped:
        return None
    older = (one for one in list_runs([model], limit=50).runs if one.started_at < run.started_at)
    return next((one for one in older if one.done), None)
