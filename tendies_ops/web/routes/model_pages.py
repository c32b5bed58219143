"""Models: which version serves where, what it was made from, what its pictures look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tendies_ops.web.auth import LOGGED_IN, Person, PersonDep
from tendies_ops.web.pages.render import render
from tendies_ops.web.routes.picture_answer import PictureDep, Side
from tendies_ops.web.run import find_runs
from tendies_ops.web.services import PAGE, PICTURE, ModelDep, Services, ServicesDep, VisibleDep
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.views import models_view
from tendies_ops.web.views.candidates_view import list_undecided
from tendies_ops.web.views.compare_view import compare_versions
from tendies_ops.web.views.golden_pictures import golden_path, sheet_path, version_path
from tendies_ops.web.views.release_view import read_release

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
pictures = APIRouter(dependencies=[LOGGED_IN, PICTURE])
_HISTORY_LIMIT = 12


@router.get("/")
def home(request: Request) -> RedirectResponse:
    """The first page is the models."""
    return RedirectResponse(f"{request.scope.get('root_path', '')}/models")


@router.get("/models")
def models_page(request: Request, services: ServicesDep, visible: VisibleDep) -> HTMLResponse:
    """All models at a glance."""
    return render(request, "models.html", problems=visible.problems, **_overview(services, visible.models))


@router.get("/models/live")
def models_live(request: Request, services: ServicesDep, visible: VisibleDep) -> HTMLResponse:
    """The part of the page that is asked for again and again."""
    return render(request, "models_live.html", **_overview(services, visible.models))


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
    return render(
        request,
        "model.html",
        view=view,
        choices=view.rollback_choices[:8],
        latest_runs=find_runs.list_runs([model], limit=5).runs,
        candidates=list_undecided(model, view.history)[:4],
        history_limit=10**9 if history == "all" else _HISTORY_LIMIT,
        person_may=rights(person, model),
        asked_by=person.name,
    )


@router.get("/models/{model_name}/live")
def model_live(
    request: Request, services: ServicesDep, model: ModelDep, part: Literal["versions", "history"] = "versions"
) -> HTMLResponse:
    """A part of the page as it is now: versions and replicas, or the history."""
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
        raise HTTPException(404, "Nobody knows of such a version of this model.")
    contract = models_view.contract_lines(row.manifest) if row.manifest else ()
    release = read_release(model.location.model_base_path, version)
    return render(request, "version.html", view=view, row=row, contract=contract, release=release)


def _golden(model: ModelDep, version: int, index: int, side: Side) -> Path:
    return golden_path(version_path(model, version), index, side)


@pictures.get("/models/{model_name}/versions/{version}/golden/{index}/{side}")
async def golden_picture(services: ServicesDep, path: Annotated[Path, Depends(_golden)], asked: PictureDep) -> Response:
    """One golden picture, drawn again."""
    return await asked.answer(services, path)


def _sheet(model: ModelDep, version: int, index: int) -> Path:
    return sheet_path(version_path(model, version), index)


@pictures.get("/models/{model_name}/versions/{version}/variants/{index}")
async def variant_sheet(services: ServicesDep, path: Annotated[Path, Depends(_sheet)], asked: PictureDep) -> Response:
    """Float32, one optimised variant and their difference, drawn again."""
    return await asked.answer(services, path)


def rights(person: Person, model: KnownModel) -> dict[str, bool]:
    """Return which buttons this person gets. Airflow decides again when one is pressed."""
    return {
        "batch": person.may_trigger_dag(model.batch_dag_id),
        "release": person.may_trigger_dag(model.release_dag_id),
        "roll_back": person.may_operate(),
        "answer": person.may_answer_dag(model.release_dag_id),
    }


def _overview(services: Services, models: tuple[KnownModel, ...]) -> dict[str, Any]:
    views = services.look_at_all(models)
    last_runs = {model.name: run for model in models for run in find_runs.list_runs([model], limit=1).runs}
    return {"views": views, "last_runs": last_runs}
