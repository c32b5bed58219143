"""Try: a picture of one's own, or of the newest run, through the version in service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from tendies_ops.web.auth import LOGGED_IN, PersonDep
from tendies_ops.web.pages.render import render
from tendies_ops.web.routes.picture_answer import Side, picture_route
from tendies_ops.web.run import find_runs
from tendies_ops.web.run.parameter_words import record_words
from tendies_ops.web.run.run_pictures import OwnPictures, own_pictures, picture_path
from tendies_ops.web.run.try_form import read_parameters, shown_value, tried_inputs
from tendies_ops.web.run.try_picture import MAX_PICTURE_BYTES, Asked, Tried, TryError
from tendies_ops.web.safety import BusyError, OutsideError
from tendies_ops.web.services import PAGE, PICTURE, TRY, ModelDep, Services, ServicesDep
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.views.models_view import ModelPicture

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
pictures = APIRouter(dependencies=[LOGGED_IN, PICTURE])
actions = APIRouter(dependencies=[LOGGED_IN, TRY])
_PICTURES_OFFERED = 8
_FORM_BYTES = MAX_PICTURE_BYTES + (256 << 10)
_UPLOAD_S = 60.0


def tried_model(model: ModelDep, person: PersonDep) -> KnownModel:
    """
    FastAPI dependency: a model that this person may use.

    :raises HTTPException: 403, they may not trigger its batch.
    """
    if not person.may_trigger_dag(model.batch_dag_id):
        raise HTTPException(403, "To try a model takes the right to trigger its batch.")
    return model


TriedModelDep = Annotated[KnownModel, Depends(tried_model)]
Token = Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$")]


@router.get("/models/{model_name}/try")
def try_page(request: Request, services: ServicesDep, model: TriedModelDep, result: str = "") -> HTMLResponse:
    """Show the form, and the result of a try."""
    tried = services.tries.find(model.name, result) if result else None
    problem = "This result is not kept any more. Try again." if result and tried is None else ""
    return _page(request, services, model, tried, problem)


@picture_route(pictures, "/models/{model_name}/try/{token}/{side}")
def tried_picture(services: ServicesDep, model: TriedModelDep, token: Token, side: Side) -> Path:
    """Find the picture or the result of a try."""
    return _kept(services, model, token).side(side)


@actions.post("/models/{model_name}/try")
async def try_picture(request: Request, services: ServicesDep, model: TriedModelDep, person: PersonDep) -> Response:
    """Send one picture to the version in service; the answer leads to its result."""
    form = await _read_form(request)
    try:
        async with services.lines.trying.place():
            tried = await to_thread.run_sync(_try, services, model, person.name, form)
    except TryError as error:
        problem = str(error)
        return await to_thread.run_sync(lambda: _page(request, services, model, None, problem, status_code=422))
    finally:
        await form.close()
    return RedirectResponse(f"{request.url.path}?result={tried.token}", status_code=303)


def _try(services: Services, model: KnownModel, who: str, form: FormData) -> Tried:
    view = services.look_at(model)
    version = view.in_service.version
    if version is None:
        raise TryError(f"No version of {model.name} is in service: {view.in_service.why}.")
    inputs = tried_inputs(view, version)
    parameters = read_parameters(inputs, {name: text for name, text in form.items() if isinstance(text, str)})
    name, data = _picture_of(services, model, form)
    return services.tries.make(model, Asked(name[-200:], version, parameters, who), data)


def _picture_of(services: Services, model: KnownModel, form: FormData) -> tuple[str, bytes]:
    """Return name and content of the picture: an upload, one of a run, or that of an earlier try."""
    upload, chosen = form.get("file"), form.get("picture")
    if isinstance(upload, UploadFile) and upload.filename:
        return upload.filename, upload.file.read(MAX_PICTURE_BYTES + 1)
    kind, _, key = str(chosen or "").rpartition("/")
    try:
        if kind == "again":
            tried = _kept(services, model, key)
            return tried.asked.picture, tried.side("before").read_bytes()
        return _of_run(services, model, kind, key)
    except (HTTPException, OutsideError, OSError, ValueError):
        raise TryError("Choose a picture, or a file of your own." if not chosen else "That picture is gone.") from None


def _of_run(services: Services, model: KnownModel, run_id: str, row: str) -> tuple[str, bytes]:
    run = find_runs.find_run(model, run_id)
    line = services.ledgers.of(run.ledger).line(int(row)) if run else None
    if run is None or line is None or line.record.get("run_id") not in run.ledger_ids:
        raise OutsideError(run_id)
    path = picture_path(run, line, "before", services.remote_files)
    if path.stat().st_size > MAX_PICTURE_BYTES:
        raise TryError(f"{line.record['input']} is larger than {MAX_PICTURE_BYTES >> 20} MiB.")
    return str(line.record["input"]), path.read_bytes()


def _kept(services: Services, model: KnownModel, token: str) -> Tried:
    tried = services.tries.find(model.name, token)
    if tried is None:
        raise HTTPException(404, "This result is not kept any more.")
    return tried


async def _read_form(request: Request) -> FormData:
    """
    Read a form with at most one file.

    :raises HTTPException: 413 or 400, it is too large or not a form.
    """

    async def limited() -> AsyncIterator[bytes]:
        size_bytes = 0
        async for piece in request.stream():
            size_bytes += len(piece)
            if size_bytes > _FORM_BYTES:
                raise HTTPException(413, f"A picture may have up to {MAX_PICTURE_BYTES >> 20} MiB.")
            yield piece

    parser = MultiPartParser(request.headers, limited(), max_files=1, max_fields=100)  # type: ignore[arg-type]
    try:
        return await asyncio.wait_for(parser.parse(), _UPLOAD_S)
    except (MultiPartException, KeyError, UnicodeDecodeError) as error:
        raise HTTPException(400, "This is not the form of the page.") from error
    except asyncio.TimeoutError as error:
        raise BusyError("the upload did not end in time") from error


def _page(
    request: Request,
    services: Services,
    model: KnownModel,
    tried: Tried | None,
    problem: str,
    status_code: int = 200,
) -> HTMLResponse:
    view = services.look_at(model)
    inputs = tried_inputs(view, view.in_service.version)
    return render(
        request,
        "try.html",
        status_code=status_code,
        view=view,
        inputs=inputs,
        value_of=lambda name: shown_value(name, inputs[name], tried.asked.parameters if tried else {}),
        offered=_offered(services, view),
        tried=tried,
        words=record_words(tried.record, inputs) if tried else "",
        problem=problem,
        max_bytes=MAX_PICTURE_BYTES,
    )


def _offered(services: Services, view: ModelPicture) -> OwnPictures | None:
    """Return some pictures of the newest run that has any."""
    runs = find_runs.list_runs([view.model], limit=5).runs
    found: Any = (own_pictures(services.ledgers, [run], run.version, limit=_PICTURES_OFFERED) for run in runs)
    return next(filter(None, found), None)
