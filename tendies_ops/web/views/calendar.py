"""Lay the partitions of a batch out as a calendar: months of days, days of hours, years of months. No FastAPI."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone

from tendies_ops.partitions.keys import Partitions
from tendies_ops.partitions.partition_states import STATES, PartitionState, list_states

#: Of a key: how much of it names the group, and from where on a cell is labelled.
_CUTS = {"hour": (10, 11), "day": (7, 8), "week": (4, 5), "month": (4, 5)}


@dataclass(frozen=True)
class Cell:
    """One partition as the page shows it."""

    label: str
    of: PartitionState


@dataclass(frozen=True)
class Group:
    """The cells of one month, day or year, or of all keys."""

    title: str
    blanks: int  #: days of the week before the first cell
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Calendar:
    """Some groups, newest last, and how many partitions are in each state."""

    groups: tuple[Group, ...]
    counts: tuple[tuple[str, int], ...]
    every: int  #: groups that there are in all
    has_weeks: bool  #: a group has a column for each day of the week

    @property
    def ends(self) -> tuple[str, str]:
        """Return the oldest and the newest key shown; empty without any."""
        cells = [cell for group in self.groups for cell in group.cells]
        return (cells[0].of.key, cells[-1].of.key) if cells else ("", "")


def draw_calendar(
    partitions: Partitions, in_service: int | None, *, shown: int, earlier: int = 0, now: datetime | None = None
) -> Calendar:
    """
    Read the states of the partitions of some groups; no ledger of another group is read.

    :param shown: number of groups.
    :param earlier: number of newer groups that are left out.
    """
    title_ends, label_begins = _CUTS.get(partitions.spec.every or "", (0, 0))
    keys = partitions.due(now or datetime.now(timezone.utc))
    by_title = {title: list(found) for title, found in itertools.groupby(keys, lambda key: key[:title_ends])}
    titles = list(by_title)[: max(len(by_title) - earlier, 0)][-shown:]
    has_weeks = partitions.spec.every == "day"
    groups = []
    for title in titles:
        states = list_states(partitions, by_title[title], in_service)
        cells = tuple(Cell(one.key[label_begins:], one) for one in states)
        blanks = datetime.fromisoformat(cells[0].of.key).weekday() if has_weeks else 0
        groups.append(Group(title or "Keys", blanks, cells))
    counted = Counter(cell.of.state for group in groups for cell in group.cells)
    counts = tuple((state, counted[state]) for state in STATES if counted[state])
    return Calendar(tuple(groups), counts, len(by_title), has_weeks)
