"""The state that the routes share during the life of the API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from anyio import CapacityLimiter
from fastapi import Depends, HTTPException, Request

from tendies_ops.web.auth import Person, PersonDep
from tendies_ops.web.ledger.ledger_index import LedgerIndexes
from tendies_ops.web.limits.lines import Line
from tendies_ops.web.pictures.drawers import DRAWERS
from tendies_ops.web.pictures.picture_cache import PictureCache
from tendies_ops.web.run.try_picture import Tries
from tendies_ops.web.settings import WebSettings
from tendies_ops.web.sources.known import Catalogue, Catalogues, KnownModel, Locate
from tendies_ops.web.sources.mirrors import Mirrors
from tendies_ops.web.sources.remote_files import ObjectStores, RemoteFiles
from tendies_ops.web.sources.server_states import ServerStates
from tendies_ops.web.views.models_view import ModelPicture, read_model

_MAX_CACHE_BYTES = 512 << 20  # of drawn pictures
_SERVER_TIMEOUT_S = 1.5  # that a page waits for a replica's status


class Lines:
    """The lines of the pages."""

    def __init__(self) -> None:
        self.pages = Line(8, waiting=128, patience_s=15.0)
        self.pictures = Line(64, waiting=256, patience_s=20.0)  # most are known, or wait for the next line
        self.drawing = Line(DRAWERS, waiting=32, patience_s=20.0)
        self.drawing_threads = CapacityLimiter(DRAWERS)
        self.tries = Line(4, waiting=4, patience_s=30.0)  # uploads, and those that wait for the next line
        self.trying = Line(1, waiting=3, patience_s=60.0)
        self.downloads = Line(3, waiting=3, patience_s=5.0)


class Services:
    """The caches; they hold only copies of files and of servers' answers."""

    def __init__(self, settings: WebSettings, locate: Locate) -> None:
        stores = ObjectStores()
        mirrors = Mirrors(settings.cache_dir / "mirrors", stores)
        self.catalogues = Catalogues(settings.specs_dir, locate, mirrors.of)
        self.remote_files = RemoteFiles(settings.cache_dir / "objects", stores)
        self.states = ServerStates(timeout_s=_SERVER_TIMEOUT_S)
        self.pictures = PictureCache(settings.cache_dir / "pictures", max_bytes=_MAX_CACHE_BYTES)
        self.ledgers = LedgerIndexes(settings.cache_dir / "ledgers")
        self.tries = Tries(settings.cache_dir / "tries")
        self.lines = Lines()
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="tendies-models")

    def look_at(self, model: KnownModel) -> ModelPicture:
        """Disk, history and replicas of one model."""
        return read_model(model, self.states.of(model.name, model.location))

    def look_at_all(self, models: Sequence[KnownModel]) -> list[ModelPicture]:
        """Return the same of many, at the same time: one dead replica costs its patience once, not once a model."""
        return list(self._threads.map(self.look_at, models))


async def services_of(request: Request) -> Services:
    """FastAPI dependency."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


def _place_in(line: str) -> Any:
    """Make the dependency of a request that holds a place in a line of :class:`Lines` while it is answered."""

    async def place(services: ServicesDep) -> AsyncIterator[None]:
        async with getattr(services.lines, line).place():
            yield

    return Depends(place)


#: One of them goes on every router that works or waits, behind the question of who asks.
PAGE, PICTURE, DOWNLOAD, TRY = map(_place_in, ("pages", "pictures", "downloads", "tries"))


def visible_catalogue(services: ServicesDep, person: PersonDep) -> Catalogue:
    """FastAPI dependency: the models whose DAGs this person may see."""
    catalogue = services.catalogues.read()
    return Catalogue(
        tuple(model for model in catalogue.models if may_see(person, model)),
        catalogue.problems if person.may_see_import_errors() else (),
    )


VisibleDep = Annotated[Catalogue, Depends(visible_catalogue)]


def visible_model(model_name: str, visible: VisibleDep) -> KnownModel:
    """
    FastAPI dependency: the model that the address names.

    :raises HTTPException: 404 if there is no such model, or the user may not see it; the answer is the same.
    """
    model = visible.get(model_name)
    if model is None:
        raise HTTPException(404, "There is no model of this name that you may see.")
    return model


ModelDep = Annotated[KnownModel, Depends(visible_model)]


def may_see(person: Person, model: KnownModel) -> bool:
    """Return True if this person may see the runs of either DAG, and so their results."""
    return person.may_see_dag(model.batch_dag_id) or person.may_see_dag(model.release_dag_id)
