"""The page of all models: a card for each, chosen by text and state, what needs a user first. No FastAPI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tendies_ops.web.ledger.ledger_index import LedgerIndexes
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.find_runs import list_runs
from tendies_ops.web.run.run_pictures import OwnPictures, own_pictures
from tendies_ops.web.views.candidates_view import Candidate, list_undecided
from tendies_ops.web.views.models_view import ModelPicture

_RUNS_SHOWN = 8
_PICTURES_SHOWN = 3
_CLASSES = {"some failed": "some", "dry run": "done"}
_STATES = {"review": "To review", "down": "Down", "failed": "Last run failed"}  #: in the order of urgency


@dataclass(frozen=True)
class Choice:
    """The query of the page."""

    text: str = ""
    state: str = ""  #: a key of the states, or empty: all
    sort: str = ""  #: ``name``, or empty: by state, then name


@dataclass(frozen=True)
class ModelCard:
    """One model."""

    view: ModelPicture
    to_review: tuple[Candidate, ...]  #: of a model whose releases need approval
    runs: tuple[Run, ...]  #: newest first
    own: OwnPictures | None

    @property
    def states(self) -> frozenset[str]:
        """Return the filters that it belongs to."""
        last = self.runs[0].state if self.runs else ""
        of_model = {
            "review": bool(self.to_review),
            "down": self.view.health in {"down", "partial", "mixed", "unproved"},
            "failed": last in {"failed", "some failed", "stopped"},
        }
        return frozenset(state for state, holds in of_model.items() if holds)

    @property
    def bars(self) -> list[tuple[str, float]]:
        """Return the latest runs as :func:`trend_of`."""
        return trend_of(self.runs)


def trend_of(runs: Sequence[Run]) -> list[tuple[str, float]]:
    """Return state and images a second of runs that predicted something, the newest last."""
    return [
        (_CLASSES.get(run.state, run.state), run.images_per_second) for run in reversed(runs) if run.images_per_second
    ]


def make_card(view: ModelPicture, ledgers: LedgerIndexes) -> ModelCard:
    """Look up what a card shows in addition to the model itself."""
    reviewed = view.model.spec.release.gate.review
    undecided = list_undecided(view) if reviewed else []
    runs = list_runs([view.model], limit=_RUNS_SHOWN).runs
    own = own_pictures(ledgers, runs, view.in_service.version, limit=_PICTURES_SHOWN)
    return ModelCard(view, tuple(one for one, _ in undecided), runs, own)


def choose(cards: Sequence[ModelCard], choice: Choice) -> list[ModelCard]:
    """Return the cards that are wanted, in order."""
    text = choice.text.casefold()

    def place(card: ModelCard) -> tuple[int, str]:
        urgency = next((number for number, state in enumerate(_STATES) if state in card.states), len(_STATES))
        return (0 if choice.sort else urgency), card.view.model.name.casefold()

    found = [card for card in cards if not choice.state or choice.state in card.states]
    found = [card for card in found if text in f"{card.view.model.name} {card.view.model.spec.description}".casefold()]
    return sorted(found, key=place)


def count_cards(cards: Sequence[ModelCard]) -> dict[str, int]:
    """Count the cards of each filter."""
    return {state: sum(1 for card in cards if state in card.states) for state in _STATES}


def filters_of(cards: Sequence[ModelCard]) -> list[tuple[str, str, int]]:
    """Return value, words and number of each filter."""
    counts = count_cards(cards)
    return [("", "All", len(cards)), *((state, words, counts[state]) for state, words in _STATES.items())]
