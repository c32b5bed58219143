"""Models: which version serves where, what it was made from, what its pictures look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from tendies_ops.web.auth import LOGGED_IN, Person, PersonDep
from tendies_ops.web.pages.render import render
from tendies_ops.web.routes.picture_answer import Side, picture_route
from tendies_ops.web.run import find_runs
from tendies_ops.web.run.model_cards import Choice, choose, count_cards, filters_of, make_card, trend_of
from tendies_ops.web.run.run_pictures import own_pictures
from tendies_ops.web.services import PAGE, PICTURE, ModelDep, Services, ServicesDep, VisibleDep
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.views import models_view
from tendies_ops.web.views.candidates_view import list_undecided
from tendies_ops.web.views.compare_view import compare_versions
from tendies_ops.web.views.golden_pictures import golden_path, sheet_path, version_path
from tendies_ops.web.views.release_story import find_story, under_way

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
pictures = APIRouter(dependencies=[LOGGED_IN, PICTURE])
_HISTORY_LIMIT = 12


def choice_of(
    q: Annotated[str, Query(max_length=200)] = "",
    state: Literal["", "review", "down", "failed"] = "",
    sort: Literal["", "name"] = "",
) -> Choice:
    """FastAPI dependency: which models are shown, and in which order."""
    return Choice(q.strip(), state, sort)


ChoiceDep = Annotated[Choice, Depends(choice_of)]


@router.get("/")
def home(request: Request) -> RedirectResponse:
    """Lead to the models."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/models")


@router.get("/models")
def models_page(request: Request, services: ServicesDep, visible: VisibleDep, choice: ChoiceDep) -> HTMLResponse:
    """All models at a glance."""
    return render(request, "models.html", problems=visible.problems, **_overview(services, visible.models, choice))


@router.get("/models/live")
def models_live(request: Request, services: ServicesDep, visible: VisibleDep, choice: ChoiceDep) -> HTMLResponse:
    """Return the part of the page that is asked for again and again."""
    return render(request, "models_live.html", **_overview(services, visible.models, choice))


@router.get("/models/{model_name}")
def model_page(
    request: Request,
    services: ServicesDep,
    model: ModelDep,
    person: PersonDep,
    history: Literal["all", "short"] = "short",
) -> HTMLResponse:
    """One model."""
    view = services.look_at(model)
    runs = find_runs.list_runs([model], limit=20)
    return render(
        request,
        "model.html",
        view=view,
        choices=view.rollback_choices[:8],
        latest_runs=find_runs.RunList(runs.runs[:5], runs.total),
        trend=trend_of(runs.runs[:8]),
        own=own_pictures(services.ledgers, runs.runs, view.in_service.version, limit=5),
        candidates=list_undecided(view)[:4],
        to_review=model.spec.release.gate.review,
        under_way=under_way(view),
        history_limit=10**9 if history == "all" else _HISTORY_LIMIT,
        person_may=rights(person, model),
        asked_by=person.name,
        has_fan_out=any(part.fan_out() for part in model.parts),
    )


@router.get("/models/{model_name}/live")
def model_live(
    request: Request, services: ServicesDep, model: ModelDep, part: Literal["versions", "history"] = "versions"
) -> HTMLResponse:
    """Return a part of the page as it is now: versions and replicas, or the history."""
    template = "model_live.html" if part == "versions" else "model_history.html"
    return render(request, template, view=services.look_at(model), history_limit=_HISTORY_LIMIT)


@router.get("/models/{model_name}/compare")
def compare_page(
    request: Request, services: ServicesDep, model: ModelDep, a: int | None = None, b: int | None = None
) -> HTMLResponse:
    """Two versions side by side: golden pictures, numbers, contract."""
    view = services.look_at(model)
    return render(request, "compare.html", view=view, difference=compare_versions(view, a, b))


@router.get("/models/{model_name}/versions/{version}")
def version_page(request: Request, services: ServicesDep, model: ModelDep, version: int) -> HTMLResponse:
    """One version."""
    view = services.look_at(model)
    row = view.row(version)
    if row is None:
        raise HTTPException(404, "This model has no such version.")
    contract = models_view.contract_lines(row.manifest) if row.manifest else ()
    has_story = find_story(view, str(version)) is not None
    return render(request, "version.html", view=view, row=row, contract=contract, has_story=has_story)


@picture_route(pictures, "/models/{model_name}/versions/{version}/golden/{index}/{side}")
def golden_picture(model: ModelDep, version: int, index: int, side: Side) -> Path:
    """Find a golden picture."""
    return golden_path(version_path(model, version), index, side)


@picture_route(pictures, "/models/{model_name}/versions/{version}/variants/{index}")
def variant_sheet(model: ModelDep, version: int, index: int) -> Path:
    """Find the sheet with float32, one optimised variant and their difference."""
    return sheet_path(version_path(model, version), index)


def rights(person: Person, model: KnownModel) -> dict[str, bool]:
    """Return which buttons this person gets. Airflow decides again when one is pressed."""
    return {
        "batch": person.may_trigger_dag(model.batch_dag_id),
        "release": person.may_trigger_dag(model.release_dag_id),
        "roll_back": person.may_operate(),
        "answer": person.may_answer_dag(model.release_dag_id),
    }


def _overview(services: Services, models: tuple[KnownModel, ...], choice: Choice) -> dict[str, Any]:
    cards = [make_card(view, services.ledgers) for view in services.look_at_all(models)]
    counts = count_cards(cards)
    return {
        "cards": choose(cards, choice), "total": len(cards), "counts": counts, "filters": filters_of(cards),
        "waiting": counts["review"], "q": choice.text, "state": choice.state, "sort": choice.sort,
        "specs_dir": services.catalogues.specs_dir,
    }  # fmt: skip
