"""Candidates: exports that may need a user's decision, next to the version in service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse

from tendies_ops.web.auth import LOGGED_IN, PersonDep
from tendies_ops.web.pages.render import render
from tendies_ops.web.routes.picture_answer import Side, picture_route
from tendies_ops.web.services import PAGE, PICTURE, ModelDep, ServicesDep
from tendies_ops.web.views import models_view
from tendies_ops.web.views.candidates_view import Candidate, Review, fate_of, find_candidate, read_review
from tendies_ops.web.views.compare_view import compare_rows
from tendies_ops.web.views.golden_pictures import golden_path
from tendies_ops.web.views.measures import MEASURES, measure_rows
from tendies_ops.web.views.models_view import VersionRow

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
pictures = APIRouter(dependencies=[LOGGED_IN, PICTURE])


def candidate_of(model: ModelDep, name: str) -> Candidate:
    """
    FastAPI dependency: the candidate that the address names.

    :raises HTTPException: 404, it is not there.
    """
    candidate = find_candidate(model, name)
    if candidate is None:
        raise HTTPException(404, "There is no such candidate. It may have been tidied away after its release.")
    return candidate


CandidateDep = Annotated[Candidate, Depends(candidate_of)]


@router.get("/models/{model_name}/candidates/{name}")
def candidate_page(
    request: Request,
    services: ServicesDep,
    model: ModelDep,
    candidate: CandidateDep,
    person: PersonDep,
    part: Literal["page", "pictures"] = "page",
) -> HTMLResponse:
    """Show a candidate: its pictures next to the live version's, the measures, the differences."""
    view = services.look_at(model)
    row = models_view.look_at_candidate(candidate.directory)
    review = read_review(model, row.manifest)
    return render(
        request,
        "candidate.html" if part == "page" else "candidate_pictures.html",
        view=view,
        candidate=candidate,
        row=row,
        fate=fate_of(candidate, row.manifest, view),
        review=review,
        measures=measure_rows(review.pictures, model.spec.release.gate) if review else (),
        all_measures=MEASURES,
        order=_largest_difference_first(row, review),
        difference=compare_rows(view.shown, row) if view.shown else None,
        may_answer=person.may_answer_dag(model.release_dag_id),
    )


def _largest_difference_first(row: VersionRow, review: Review | None) -> list[int]:
    """Return the places of the golden pictures in the manifest, in display order."""
    names = [golden.name for golden in row.manifest.golden] if row.manifest else []
    ranks = {picture.name: rank for rank, picture in enumerate(review.pictures)} if review else {}
    return sorted(range(len(names)), key=lambda index: ranks.get(names[index], len(ranks)))


@picture_route(pictures, "/models/{model_name}/candidates/{name}/golden/{index}/{side}")
def candidate_picture(candidate: CandidateDep, index: int, side: Side) -> Path:
    """Find a golden picture of a candidate."""
    return golden_path(candidate.directory, index, side)


@picture_route(pictures, "/models/{model_name}/candidates/{name}/live/{index}")
def live_picture(model: ModelDep, candidate: CandidateDep, index: int) -> Path:
    """Find the answer of the live version to the same golden picture, when the candidate was reviewed."""
    review = read_review(model, models_view.look_at_candidate(candidate.directory).manifest)
    if review is None:
        raise HTTPException(404, "This candidate was not reviewed.")
    return review.live_picture(index)
