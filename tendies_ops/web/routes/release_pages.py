"""Releases: each as a story, and all of them in a list."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from tendies_ops.web.auth import LOGGED_IN
from tendies_ops.web.pages.render import render
from tendies_ops.web.run.batch_run import Run
from tendies_ops.web.run.find_runs import list_runs
from tendies_ops.web.services import PAGE, ModelDep, ServicesDep, VisibleDep
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.views.release_story import Story, find_story, list_stories

router = APIRouter(dependencies=[LOGGED_IN, PAGE])
_STATES = ("running", "stopped", "released", "withdrawn", "rejected", "failed")
_SHOWN = 200


@router.get("/releases")
def releases_page(
    request: Request,
    services: ServicesDep,
    visible: VisibleDep,
    state: Literal["", "running", "stopped", "released", "withdrawn", "rejected", "failed"] = "",
    model: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """All releases of all models, newest first."""
    models = [known for known in visible.models if model in ("", known.name)]
    every = [(view, story) for view in services.look_at_all(models) for story in list_stories(view, limit=_SHOWN)]
    every.sort(key=lambda item: item[1].started_at, reverse=True)
    filters = [("", "All", len(every))]
    filters += [(name, name.capitalize(), sum(1 for _, story in every if story.state == name)) for name in _STATES]
    shown = [item for item in every if state in ("", item[1].state)][:_SHOWN]
    values: dict[str, Any] = {"filters": filters, "stories": shown, "state": state, "chosen_model": model}
    return render(request, "releases.html", total=len(every), **values)


@router.get("/models/{model_name}/releases/{key}")
def release_page(
    request: Request, services: ServicesDep, model: ModelDep, key: str, part: Literal["page", "story"] = "page"
) -> HTMLResponse:
    """One release as a story; ``part=story`` is what changes while it is under way."""
    view = services.look_at(model)
    story = find_story(view, key[:100])
    if story is None:
        raise HTTPException(404, "This model has no such release.")
    template = "release.html" if part == "page" else "release_story.html"
    answer = render(request, template, view=view, story=story, batch=_batch_after(model, story))
    answer.headers["X-Tendies-Live"] = "running" if story.state == "running" else "ended"
    return answer


def _batch_after(model: KnownModel, story: Story) -> Run | None:
    """Return the first run with the version that was released."""
    if story.version is None or story.record is None:
        return None
    runs = [run for run in list_runs([model], limit=200).runs if run.version == story.version]
    return min(runs, key=lambda run: run.started_at, default=None)
