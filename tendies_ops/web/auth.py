"""
The one module that asks Airflow who is logged in and what they may do.

A plugin's application gets no authentication from Airflow: what is not asked for here is open to everyone. The names
below are Airflow's own internal ones (3.3), which is why nothing else in ``web`` imports them. In a mounted application
``request.app`` is not Airflow's, so Airflow's ``AuthManagerDep`` does not work; ``get_auth_manager()`` does.

Only rights that the auth managers of Airflow (simple and FAB) grant to the same roles are used; the table is in
``docs/reference/web.md``. Access to the view ``PLUGINS`` is not among them: FAB keeps it from Viewer and User.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    AssetDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import Depends, HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = "tendies.person"


@dataclass(frozen=True)
class Person:
    """The user who is logged in."""

    user: BaseUser

    @property
    def name(self) -> str:
        """As Airflow shows it."""
        return self.user.get_name()

    def may_see_dag(self, dag_id: str) -> bool:
        """Return True if Airflow would show this person the runs of the DAG."""
        return self._may("GET", DagAccessEntity.RUN, dag_id)

    def may_trigger_dag(self, dag_id: str) -> bool:
        """Return True if Airflow would let this person start the DAG."""
        return self._may("POST", DagAccessEntity.RUN, dag_id)

    def may_answer_dag(self, dag_id: str) -> bool:
        """Return True if Airflow would let this person answer an approval of the DAG."""
        return self._may("PUT", DagAccessEntity.HITL_DETAIL, dag_id)

    def may_see_import_errors(self) -> bool:
        """Return True if Airflow would show this person why files make no DAGs."""
        return bool(get_auth_manager().is_authorized_view(access_view=AccessView.IMPORT_ERRORS, user=self.user))

    def may_operate(self) -> bool:
        """
        Return True if this person may edit assets, with their state, and post their events.

        Editing, which a rollback's request takes, begins at the role Op under both auth managers; posting an event
        alone is a right of User under FAB.
        """
        manager = get_auth_manager()
        return all(
            manager.is_authorized_asset(method=method, details=AssetDetails(), user=self.user)
            for method in ("PUT", "POST")
        )

    def _may(self, method: Literal["GET", "POST", "PUT"], entity: DagAccessEntity, dag_id: str) -> bool:
        details = DagDetails(id=dag_id)
        return bool(
            get_auth_manager().is_authorized_dag(method=method, access_entity=entity, details=details, user=self.user)
        )


class WhoAsks:
    """ASGI middleware: finds out who asks. It runs in Airflow's own event loop, as auth managers expect."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with the person who asks, or the refusal, for :func:`person_of`."""
        if scope["type"] == "http":
            scope = {**scope, _KEY: await _person_or_refusal(Request(scope, receive))}
        await self.app(scope, receive, send)


async def _person_or_refusal(request: Request) -> Person | HTTPException:
    try:
        return Person(await get_user(request, None, await bearer_scheme(request)))
    except HTTPException as refusal:
        return refusal


async def person_of(request: Request) -> Person:
    """
    FastAPI dependency: the person who asks.

    :raises HTTPException: 401 or 403, no one is logged in.
    """
    found = request.scope.get(_KEY)
    if isinstance(found, HTTPException):
        raise found
    if not isinstance(found, Person):
        raise HTTPException(401, "Not authenticated")
    return found


PersonDep = Annotated[Person, Depends(person_of)]
#: Goes on every router: no one who is not logged in gets an answer. What a user may see is decided for each model.
LOGGED_IN = Depends(person_of)
