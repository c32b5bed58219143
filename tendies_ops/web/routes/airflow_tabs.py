"""The tabs and links on Airflow's own pages: from a DAG run or a task to what it made."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tendies_ops.web.auth import LOGGED_IN
from tendies_ops.web.pages.format_values import quote_part
from tendies_ops.web.pages.render import render
from tendies_ops.web.run import find_runs
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.shard_progress import Shards, shards_of
from tendies_ops.web.services import PAGE, ServicesDep, VisibleDep
from tendies_ops.web.sources.known import Catalogue, KnownModel
from tendies_ops.web.views.candidates_view import fate_of, find_candidate
from tendies_ops.web.views.models_view import ModelPicture, look_at_candidate
from tendies_ops.web.views.release_story import key_of

router = APIRouter(dependencies=[LOGGED_IN, PAGE])

#: Airflow's ids; they are compared with what is known and shown, never used as a path.
AirflowId = Annotated[str, Query(max_length=500)]


@router.get("/airflow/run")
def dag_run_tab(
    request: Request,
    services: ServicesDep,
    visible: VisibleDep,
    dag_id: AirflowId,
    run_id: AirflowId,
    task_id: AirflowId = "",
) -> Response:
    """Return a DAG run, or one of its tasks: its batch run, its shards, or its model."""
    root = request.scope.get("root_path", "")
    runs = find_runs.runs_of_task(visible.models, dag_id, run_id, task_id)
    shards = _shards(visible, dag_id, run_id)
    if len(runs) == 1 and shards is None:
        return RedirectResponse(f"{root}/runs/{quote_part(runs[0].model_name)}/{quote_part(runs[0].run_id)}")
    model = _model_of(visible, dag_id)
    if model is not None and not runs and dag_id in (model.release_dag_id, model.rollback_dag_id):
        return RedirectResponse(f"{root}/models/{quote_part(model.name)}{_release_of(services.look_at(model), run_id)}")
    return render(
        request,
        "airflow_run.html",
        dag_id=dag_id,
        run_id=run_id,
        runs=runs,
        words=_words(runs, shards, model),
        live=model is not None,
        **_shard_values(shards),
    )


@router.get("/airflow/run/live")
def dag_run_live(
    request: Request, visible: VisibleDep, dag_id: AirflowId, run_id: AirflowId, waiting: bool = False
) -> HTMLResponse:
    """
    Return the shards as they are now.

    :param waiting: the page shows none yet; the first pictures of the DAG run make it load again.
    """
    shards = None if waiting else _shards(visible, dag_id, run_id)
    if shards is not None:
        answer = render(request, "shards_live.html", **_shard_values(shards))
        goes_on = shards.whole.state == "running"
    else:
        answer = HTMLResponse(
            "<strong>No pictures yet</strong><span>They appear here as soon as the task begins.</span>"
        )
        goes_on = not find_runs.runs_of_task(visible.models, dag_id, run_id)
    answer.headers["X-Tendies-Live"] = "running" if goes_on else "ended"
    return answer


def _release_of(view: ModelPicture, run_id: str) -> str:
    """Return the page of a run of the release DAG, below the model's: its story, its candidate, or none yet."""
    dag_id = view.model.release_dag_id
    failed = next((r for r in view.history if r.event == "failed" and r.request == f"{dag_id}/{run_id}"), None)
    candidate = find_candidate(view.model, re.sub(r"[^A-Za-z0-9_.-]+", "_", f"{dag_id}.{run_id}"))
    if candidate is None:
        return f"/releases/{quote_part(key_of(failed))}" if failed else ""
    fate = failed or fate_of(candidate, look_at_candidate(candidate.directory).manifest, view)
    return f"/releases/{quote_part(key_of(fate))}" if fate else f"/candidates/{quote_part(candidate.name)}"


def _model_of(visible: Catalogue, dag_id: str) -> KnownModel | None:
    """Return the model that a DAG of the factory belongs to."""
    return next((m for m in visible.models if dag_id in m.dag_ids), None)


def _shards(visible: Catalogue, dag_id: str, run_id: str) -> Shards | None:
    return shards_of(find_runs.runs_of_task(visible.models, dag_id, run_id))


def _shard_values(shards: Shards | None) -> dict[str, Any]:
    return {"shards": shards, "run": shards and shards.whole, "rate_chart": lambda _: shards.chart if shards else ""}


def _words(runs: tuple[Run, ...], shards: Shards | None, model: KnownModel | None) -> str:
    if shards is not None:
        return f"{len(shards.parts)} of {shards.planned} shards have begun; each is a task of its own."
    if runs:
        return "The batch runs of this DAG run, newest first: one for each try."
    if model is not None:
        return f"The batch of {model.name} has not begun, or it was made before its folder was cleared."
    return "No pictures went through a model of tendies here."
