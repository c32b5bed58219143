"""Reads what rows promise, and tells whether their figures keep it."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.results import Row

_PROMISE = re.compile(r"\(?(>=|<=|<|below|)\s*(\d+(?:\.\d+)?)\s*([^\s)]*)")
_KEEPS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    "below": operator.lt,
    "": operator.eq,
}


@dataclass(frozen=True)
class Promise:
    """
    What is promised of one row, and what became of it.

    :param limit: in the unit of ``figure``.
    :param figure: the row's ratio, or its value where the promise names the row's unit or there is no ratio.
    :param of_ratio: whether ``figure`` is the ratio.
    :param is_kept: whether the figure is on the right side of the limit.
    """

    limit: float
    figure: float
    of_ratio: bool
    is_kept: bool

    @property
    def outcome(self) -> str:
        """``met`` or ``short``."""
        return "met" if self.is_kept else "short"


def read_promise(row: Row) -> Promise | None:
    """
    Read texts such as ``>= 0.98``, ``< 60``, ``below 1.6 GB`` and ``0``.

    :return: None where nothing is promised.
    :raises ValueError: for a text that holds no limit.
    """
    if not row.promise:
        return None
    found = _PROMISE.match(row.promise)
    if found is None:
        raise ValueError(f"{row.what}: no limit can be read from the promise {row.promise!r}; write such as '>= 0.98'.")
    relation, limit, unit = found[1], float(found[2]), found[3]
    of_ratio = row.ratio is not None and unit != row.unit
    figure = row.ratio if of_ratio and row.ratio is not None else row.value
    return Promise(limit, figure, of_ratio, _KEEPS[relation](figure, limit))


def promises_table(results: Mapping[str, Sequence[Row]]) -> str:
    """
    Lay out every promise next to what was measured, and how many of them are met.

    :param results: bench -> its rows.
    :return: Markdown.
    """
    promised = [
        (name, row, promise) for name, rows in results.items() for row in rows if (promise := read_promise(row))
    ]
    met = sum(promise.is_kept for _, _, promise in promised)
    others = "" if met == len(promised) else "; the others are short"
    lines = [
        f"{met} of {len(promised)} promises are met{others}:",
        "",
        "| bench | what | compared with | measured | promised | |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_line(name, row, promise) for name, row, promise in promised)])


def _line(name: str, row: Row, promise: Promise) -> str:
    outcome = promise.outcome if promise.is_kept else f"**{promise.outcome}**"
    if promise.of_ratio:
        cells = [f"`{name}`", f"{row.what}, {row.unit}", row.compared_with, f"{row.ratio:.3g}", row.promise, outcome]
    else:
        cells = [f"`{name}`", row.what, "", f"{row.value:,.3g} {row.unit}", row.promise, outcome]
    return f"| {' | '.join(cells)} |"
