"""
The one module that asks Airflow who is logged in and what they may do.

A plugin's application gets no authentication from Airflow: what is not asked for here is open to everyone. The names
below are Airflow's own internal ones (3.3), which is why nothing else in ``web`` imports them. In a mounted application
``request.app`` is not Airflow's, so Airflow's ``AuthManagerDep`` does not work; ``get_auth_manager()`` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import (
    AccessView,
    AssetDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
from fastapi import Depends

#: Goes on every router: nobody who is not logged in gets an answer.
LOGGED_IN = Depends(requires_access_view(AccessView.PLUGINS))


@dataclass(frozen=True)
class Person:
    """Whoever is logged in."""

    user: BaseUser

    @property
    def name(self) -> str:
        """As Airflow shows it."""
        return self.user.get_name()

    def may_see_dag(self, dag_id: str) -> bool:
        """Whether Airflow would show this person the runs of the DAG."""
        return bool(
            get_auth_manager().is_authorized_dag(
                method="GET", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=self.user
            )
        )

    def may_trigger_dag(self, dag_id: str) -> bool:
        """Whether Airflow would let this person start the DAG."""
        return bool(
            get_auth_manager().is_authorized_dag(
                method="POST", access_entity=DagAccessEntity.RUN, details=DagDetails(id=dag_id), user=self.user
            )
        )

    def may_answer_dag(self, dag_id: str) -> bool:
        """Whether Airflow would let this person answer an approval of the DAG."""
        return bool(
            get_auth_manager().is_authorized_dag(
                method="PUT", access_entity=DagAccessEntity.HITL_DETAIL, details=DagDetails(id=dag_id), user=self.user
            )
        )

    def may_operate(self) -> bool:
        """Whether this person may write asset events: Airflow's right for those who operate, not only use."""
        return bool(get_auth_manager().is_authorized_asset(method="POST", details=AssetDetails(), user=self.user))


def person_of(user: GetUserDep) -> Person:
    """FastAPI dependency."""
    return Person(user)


PersonDep = Annotated[Person, Depends(person_of)]
