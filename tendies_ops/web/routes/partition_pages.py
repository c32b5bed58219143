"""Partitions of a model's batch: which are done, by which version, and which to process again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from tendies_ops.errors import UsageError
from tendies_ops.web.auth import LOGGED_IN, PersonDep
from tendies_ops.web.pages.render import render
from tendies_ops.web.services import PAGE, ModelDep, ServicesDep
from tendies_ops.web.views.calendar import draw_calendar

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
SHOWN = ("6", "12", "36")  #: months, or other groups, to choose from


@router.get("/models/{model_name}/partitions")
def partitions_page(
    request: Request,
    services: ServicesDep,
    model: ModelDep,
    person: PersonDep,
    batch: Annotated[str, Query(max_length=100)] = "",
    shown: Literal["6", "12", "36"] = "6",
    earlier: Annotated[int, Query(ge=0, le=10_000)] = 0,
) -> HTMLResponse:
    """Show a calendar of the partitions of one batch; without a name, of the first that has some."""
    parts = {part.batch_name: part for part in model.parts if part.partitions}
    part = parts.get(batch) if batch else next(iter(parts.values()), None)
    partitions = part.partitions if part else None
    if part is None or partitions is None:
        raise HTTPException(404, "This model has no batch of this name with partitions.")
    version = services.look_at(model).in_service.version
    try:
        calendar = draw_calendar(partitions, version, shown=int(shown), earlier=earlier)
    except UsageError as error:
        raise HTTPException(404, str(error)) from None
    return render(
        request,
        "partitions.html",
        model=model,
        part=part,
        parts=parts,
        partitions=partitions,
        version=version,
        calendar=calendar,
        shown=int(shown),
        choices=SHOWN,
        earlier=earlier,
        may_trigger=person.may_trigger_dag(partitions.again_dag_id),
    )
