"""
Requests to roll back: in the state store of ``tendies://rollback/<model>``, named by the event that starts the run.

Under some auth managers a user who may trigger a DAG may also post asset events. Writing an asset's state takes the
right to edit assets in all of them. So the event only names a request, and the request holds version and reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import Asset, Context

from tendies_ops.errors import UsageError
from tendies_ops.operators.assets import events_of

#: Begins the keys of requests in the asset's state store; the request's name follows.
REQUEST_PREFIX = "rollback_request/"
_BY_CHARACTERS = 200


@dataclass(frozen=True)
class RollbackRequest:
    """A request for an earlier version."""

    name: str
    to_version: int | None  #: None: the one before
    reason: str
    by: str  #: who asks for it, as given in the request


def take_request(context: Context, asset: Asset) -> RollbackRequest:
    """
    Read the request that the run's newest usable event names, and keep it for this run alone.

    :raises UsageError: no event names a request that exists, is valid, and is neither done nor another run's.
    """
    refusals = []
    for event in reversed(events_of(context)):
        name = (event.extra or {}).get("request")
        stored = _stored(context, asset, name) if isinstance(name, str) and name else None
        refusal = _refusal(name, stored, context["run_id"])
        if not refusal and isinstance(stored, Mapping):
            _store(context, asset).set(REQUEST_PREFIX + str(name), {**stored, "run_id": context["run_id"]})
            return _request(str(name), stored)
        refusals.append(refusal)
    found = "; ".join(refusals) or "no event started this run"
    raise UsageError(
        f"No user with the right to edit assets has requested this rollback: {found}. Nothing was changed. Use the "
        f"button on the model's page, or write a request into the state store of {asset.uri} under "
        f'{REQUEST_PREFIX}NAME and post an event with the extra {{"request": "NAME"}}.'
    )


def close_request(context: Context, asset: Asset, request: RollbackRequest) -> None:
    """Mark a request as done, so that clearing the run does not repeat it."""
    stored = _stored(context, asset, request.name)
    if isinstance(stored, Mapping):
        _store(context, asset).set(REQUEST_PREFIX + request.name, {**stored, "done": True})


def _refusal(name: Any, stored: Any, run_id: str) -> str:
    """Return why a request cannot be used; empty: it can."""
    if not isinstance(name, str) or not name:
        return "an event names no request"
    if not isinstance(stored, Mapping):
        return f"there is no request {name!r}" if stored is None else f"the request {name!r} is not a JSON object"
    if stored.get("run_id", run_id) != run_id:
        return f"the request {name!r} was taken by run {stored['run_id']}"
    if stored.get("done"):
        return f"the request {name!r} is done"
    to_version = stored.get("to_version")
    if to_version is not None and (not isinstance(to_version, int) or isinstance(to_version, bool) or to_version < 1):
        return f"`to_version` of the request {name!r} is {to_version!r} and not the number of a version"
    return ""


def _request(name: str, stored: Mapping[str, Any]) -> RollbackRequest:
    by = " ".join(str(stored.get("by") or f"request {name}").split())
    return RollbackRequest(name, stored.get("to_version"), str(stored.get("reason") or ""), by[:_BY_CHARACTERS])


def _stored(context: Context, asset: Asset, name: str) -> Any:
    return _store(context, asset).get(REQUEST_PREFIX + name)


def _store(context: Context, asset: Asset) -> Any:
    return context["asset_state_store"][asset]
