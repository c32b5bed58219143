"""Pictures x styles: what a fan-out made of each picture, and two of them under a slider."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from tendies_ops.web.auth import LOGGED_IN
from tendies_ops.web.pages.render import render
from tendies_ops.web.run.fan_out_matrix import COLUMNS_ON_PAGE, ROWS_ON_PAGE, find_picked, read_matrix
from tendies_ops.web.services import PAGE, ModelDep, ServicesDep

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
PageNumber = Annotated[int, Query(ge=1, le=10**6)]


@router.get("/models/{model_name}/fan-out")
def fan_out_page(
    request: Request,
    services: ServicesDep,
    model: ModelDep,
    page: PageNumber = 1,
    styles: PageNumber = 1,
    pick: Annotated[list[str], Query(max_length=8)] = [],  # noqa: B006 - FastAPI copies it
) -> HTMLResponse:
    """Show the matrix of the first batch that has one."""
    matrices = (read_matrix(part, services.ledgers, row_page=page, column_page=styles) for part in model.parts)
    matrix = next(filter(None, matrices), None)
    if matrix is None:
        raise HTTPException(404, "This model has no fan-out. Make one with `tendies batch --fan-out`.")
    return render(
        request,
        "fan_out.html",
        model=model,
        matrix=matrix,
        picked=find_picked(model, services.ledgers, pick),
        page=page,
        styles=styles,
        row_pages=-(-matrix.total_rows // ROWS_ON_PAGE),
        column_pages=-(-matrix.total_columns // COLUMNS_ON_PAGE),
    )
