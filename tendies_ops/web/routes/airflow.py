"""What the tabs on Airflow's own pages show, and where its links lead: from a DAG run or a task to what it made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from tendies_ops.web import runs_view
from tendies_ops.web.auth import LOGGED_IN
from tendies_ops.web.known import Catalogue, KnownModel
from tendies_ops.web.pages import quote_part, render
from tendies_ops.web.runs_view import Run
from tendies_ops.web.services import VisibleDep

router = APIRouter(dependencies=[LOGGED_IN])

#: Airflow's ids; they are compared with what is known and shown, never used as a path.
AirflowId = Annotated[str, Query(max_length=500)]


@router.get("/airflow/run")
def dag_run_tab(
    request: Request, visible: VisibleDep, dag_id: AirflowId, run_id: AirflowId, task_id: AirflowId = ""
) -> Response:
    """A DAG run, or one of its tasks: its batch run, or its model."""
    root = request.scope.get("root_path", "")
    runs = _batch_runs(visible, dag_id, run_id, task_id)
    if len(runs) == 1:
        return RedirectResponse(f"{root}/runs/{quote_part(runs[0].model_name)}/{quote_part(runs[0].run_id)}")
    model = _model_of(visible, dag_id)
    if model is not None and not runs and dag_id != model.batch_dag_id:
        return RedirectResponse(f"{root}/models/{quote_part(model.name)}")
    return render(request, "airflow_run.html", **_words(dag_id, run_id, runs, model))


@router.get("/airflow/run/live")
def dag_run_live(request: Request, visible: VisibleDep, dag_id: AirflowId, run_id: AirflowId) -> HTMLResponse:
    """Whether the DAG run has begun with pictures; the page is loaded again when it has."""
    answer = HTMLResponse("<strong>No pictures yet</strong><span>They appear here as soon as the task begins.</span>")
    answer.headers["X-Tendies-Live"] = "ended" if _batch_runs(visible, dag_id, run_id, "") else "running"
    return answer


def _model_of(visible: Catalogue, dag_id: str) -> KnownModel | None:
    """The model that a DAG of the factory belongs to."""
    return next((m for m in visible.models if dag_id in {m.release_dag_id, m.batch_dag_id, m.rollback_dag_id}), None)


def _batch_runs(visible: Catalogue, dag_id: str, run_id: str, task_id: str) -> tuple[Run, ...]:
    return runs_view.runs_of_task(visible.models, dag_id, run_id, task_id)


def _words(dag_id: str, run_id: str, runs: tuple[Run, ...], model: KnownModel | None) -> dict[str, Any]:
    if runs:
        words = "The batch runs of this DAG run, newest first: one for each shard and each try."
    elif model is not None:
        words = f"The batch of {model.name} has not begun, or it was made before its folder was cleared."
    else:
        words = "No pictures went through a model of tendies here."
    return {
        "dag_id": dag_id, "run_id": run_id, "runs": runs, "words": words, "live": model is not None,
        "heading": "Pictures of this run",
    }  # fmt: skip
