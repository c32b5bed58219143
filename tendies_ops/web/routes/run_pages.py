"""Runs: what goes through which model now, what became of each picture, before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse

from tendies_ops.inference.ledger.ledger import exact_path
from tendies_ops.web.auth import LOGGED_IN, PersonDep
from tendies_ops.web.ledger.ledger_index import LedgerLine
from tendies_ops.web.ledger.ledger_places import Query as LedgerQuery
from tendies_ops.web.pages.render import render
from tendies_ops.web.routes.picture_answer import Side, picture_route
from tendies_ops.web.run import find_runs
from tendies_ops.web.run.batch_run import Run, RunState
from tendies_ops.web.run.downloads import begun, ledger_lines, zip_of_results
from tendies_ops.web.run.parameter_words import own_parameters, record_words
from tendies_ops.web.run.run_page import earlier_run, gallery_values, run_values
from tendies_ops.web.run.run_pictures import find_pictures, numbers_of, picture_path, was_rewritten
from tendies_ops.web.safety import confine
from tendies_ops.web.services import DOWNLOAD, PAGE, PICTURE, ModelDep, ServicesDep, VisibleDep
from tendies_ops.web.sources.known import Catalogue

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
pictures = APIRouter(dependencies=[LOGGED_IN, PICTURE])
downloads = APIRouter(dependencies=[LOGGED_IN, DOWNLOAD])
_RUNS_ON_PAGE = 50
_RUNS_COUNTED = 1000  # more are not read to count their states

PageNumber = Annotated[int, Query(ge=1, le=10**6)]
Text = Annotated[str, Query(max_length=200)]
_FILTERS: tuple[RunState, ...] = ("running", "done", "some failed", "failed", "stopped")
StateFilter = Literal["", "running", "done", "some failed", "failed", "stopped", "dry run"]


def run_of(model: ModelDep, run_id: str) -> Run:
    """
    FastAPI dependency: the run that the address names.

    :raises HTTPException: 404, the model has no such run.
    """
    run = find_runs.find_run(model, run_id)
    if run is None:
        raise HTTPException(404, "This model has no such run.")
    return run


RunDep = Annotated[Run, Depends(run_of)]


def wanted_pictures(
    run: RunDep,
    outcome: Literal["", "done", "failed"] = "",
    kind: Annotated[str, Query(max_length=40)] = "",
    q: Text = "",
    parameter: Annotated[str, Query(max_length=1000)] = "",
) -> LedgerQuery:
    """FastAPI dependency: which pictures of the run."""
    return LedgerQuery(run.ledger_ids, outcome, kind, q, parameter)


WantedDep = Annotated[LedgerQuery, Depends(wanted_pictures)]


@router.get("/runs")
def runs_page(
    request: Request, visible: VisibleDep, state: StateFilter = "", model: Text = "", q: Text = "", page: PageNumber = 1
) -> HTMLResponse:
    """All runs, newest first, with how many there are in each state."""
    values = _some_runs(visible, state, model, q, page)
    of_model = [known for known in visible.models if model in ("", known.name)]
    counts = find_runs.count_states(of_model) if values["every"] <= _RUNS_COUNTED else None
    filters = [("", "All", values["every"])]
    filters += [(name, name.capitalize(), None if counts is None else counts[name]) for name in _FILTERS]
    return render(request, "runs.html", filters=filters, models=visible.models, **values)


@router.get("/runs/live")
def runs_live(
    request: Request, visible: VisibleDep, state: StateFilter = "", model: Text = "", q: Text = "", page: PageNumber = 1
) -> HTMLResponse:
    """Return the table of the page, as it is now."""
    return render(request, "runs_live.html", **_some_runs(visible, state, model, q, page))


@router.get("/runs/{model_name}/{run_id}")
def run_page(
    request: Request,
    services: ServicesDep,
    model: ModelDep,
    run: RunDep,
    wanted: WantedDep,
    person: PersonDep,
    page: PageNumber = 1,
) -> HTMLResponse:
    """One run: progress, failures by reason, gallery."""
    values = gallery_values(services.ledgers.of(run.ledger), wanted, page, model.inputs)
    may_retry = run.state != "running" and person.may_trigger_dag(model.batch_dag_id)
    batches = (batch.parameters for batch in model.spec.batches_by_name().values())
    own = own_parameters(run.facts.get("parameters"), batches, model.inputs)
    return render(
        request,
        "run.html",
        **run_values(run),
        **values,
        model=model,
        may_retry=may_retry and not own,
        own_parameters=own,
        earlier_run=earlier_run(model, run),
        # A page of 48 waits for files of a disk, not for objects of a store.
        numbers=lambda line: "" if run.output_url else numbers_of(run, line, services.remote_files),
    )


@router.get("/runs/{model_name}/{run_id}/live")
def run_live(request: Request, run: RunDep) -> HTMLResponse:
    """Return the current progress; its last answer is marked as such."""
    answer = render(request, "run_live.html", **run_values(run))
    answer.headers["X-Tendies-Live"] = "running" if run.state == "running" else "ended"
    return answer


@router.get("/runs/{model_name}/{run_id}/report.json")
def run_report(run: RunDep) -> FileResponse:
    """Return the report as the run wrote it."""
    return FileResponse(confine(run.directory, "report.json"), filename=f"{run.run_id}-report.json")


@downloads.get("/runs/{model_name}/{run_id}/ledger.jsonl")
def run_ledger(services: ServicesDep, run: RunDep, wanted: WantedDep) -> StreamingResponse:
    """Return the run's lines of the ledger."""
    lines = ledger_lines(services.ledgers.of(run.ledger), wanted)
    return _download(lines, "application/x-ndjson", f"{run.run_id}-ledger.jsonl")


@downloads.get("/runs/{model_name}/{run_id}/pictures.zip")
def run_pictures(services: ServicesDep, run: RunDep, wanted: WantedDep) -> StreamingResponse:
    """Return the results of the pictures in view, as the run wrote them."""
    parts = zip_of_results(run, services.ledgers.of(run.ledger), wanted, services.remote_files)
    return _download(parts, "application/zip", f"{run.run_id}-pictures.zip")


def line_of(services: ServicesDep, run: RunDep, row: int) -> LedgerLine:
    """
    FastAPI dependency: one line of the run's ledger.

    :raises HTTPException: 404, the line is not there or belongs to another run.
    """
    index = services.ledgers.of(run.ledger)
    index.follow()
    line = index.line(row)
    if line is None or line.record.get("run_id") not in run.ledger_ids:
        raise HTTPException(404, "This run has no such picture.")
    return line


LineDep = Annotated[LedgerLine, Depends(line_of)]


@router.get("/runs/{model_name}/{run_id}/pictures/{row}")
def picture_page(
    request: Request, services: ServicesDep, model: ModelDep, run: RunDep, line: LineDep, wanted: WantedDep
) -> HTMLResponse:
    """One picture: large, with its line of the ledger and the version that made it."""
    before, after = services.ledgers.of(run.ledger).neighbours(wanted, line.row)
    return render(
        request,
        "picture.html",
        **run_values(run),
        line=line,
        before=before,
        after=after,
        wanted=wanted,
        parameters=record_words(line.record, model.inputs),
        numbers=numbers_of(run, line, services.remote_files),
        written_anew=was_rewritten(run, line),
    )


@pictures.get("/runs/{model_name}/{run_id}/pictures/{row}/original")
def picture_original(services: ServicesDep, run: RunDep, line: LineDep) -> FileResponse:
    """Return the result's own bytes, to be saved and never to be shown: a browser must not make a page of them."""
    path = picture_path(run, line, "after", services.remote_files)
    name = PurePosixPath(exact_path(line.record, "output") or path.name).name.encode("utf-8", "replace").decode()
    return FileResponse(path, filename=name, media_type="application/octet-stream")


@picture_route(pictures, "/runs/{model_name}/{run_id}/pictures/{row}/{side}")
def picture(services: ServicesDep, run: RunDep, line: LineDep, side: Side) -> Path:
    """Find one picture."""
    return picture_path(run, line, side, services.remote_files)


@router.get("/pictures")
def find_page(request: Request, services: ServicesDep, visible: VisibleDep, q: Text = "") -> HTMLResponse:
    """Pictures of all runs by a part of their path: the answer to "which version made this?"."""
    text = q.strip()
    hits = find_pictures(visible.models, services.ledgers, text) if text else []
    return render(request, "found.html", query=text, hits=hits)


def _some_runs(visible: Catalogue, state: StateFilter, model: str, text: str, page: int) -> dict[str, Any]:
    models = [known for known in visible.models if model in ("", known.name)]
    wanted_state: RunState | None = state or None
    found = find_runs.list_runs(
        models, offset=(page - 1) * _RUNS_ON_PAGE, limit=_RUNS_ON_PAGE, state=wanted_state, text=text.strip()
    )
    every = find_runs.list_runs(models, limit=0).total
    return {
        "found": found, "every": every, "state": state, "chosen_model": model, "q": text.strip(), "page": page,
        "page_size": _RUNS_ON_PAGE,
    }  # fmt: skip


def _download(parts: Iterator[bytes], media_type: str, name: str) -> StreamingResponse:
    return StreamingResponse(
        begun(parts), media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
