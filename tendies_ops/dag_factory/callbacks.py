"""Notifiers and functions that a spec names by their import path."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseNotifier
from airflow.sdk.definitions.callback import AsyncCallback, SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from tendies_ops.errors import SpecError
from tendies_ops.spec.dag_settings import CallSpec, LateSpec


def callbacks(calls: Iterable[CallSpec]) -> list[Any]:
    """
    Make the callbacks of a DAG or task.

    :raises SpecError: one cannot be imported, or does not accept its arguments.
    """
    return [_made(call) for call in calls]


def notifiers(calls: Iterable[CallSpec]) -> list[BaseNotifier]:
    """
    Make notifiers, for a task that accepts nothing else.

    :raises SpecError: one cannot be made, or is not a notifier.
    """
    made = [(call, _made(call)) for call in calls]
    for call, notifier in made:
        if not isinstance(notifier, BaseNotifier):
            raise SpecError(f"`notify.on_approval` takes notifiers only, which {call.call} is not.")
    return [notifier for _, notifier in made]


def late_alert(late: LateSpec | None) -> DeadlineAlert | None:
    """
    Make the alert of a run that takes too long, counted from when it was queued.

    It is called in the triggerer if it is asynchronous, and on a worker if it is not.

    :raises SpecError: what is to be called cannot be imported.
    """
    if late is None:
        return None
    target = _imported(late.call)
    function = target.async_notify if isinstance(target, type) and issubclass(target, BaseNotifier) else target
    is_async = inspect.iscoroutinefunction(function) and function is not BaseNotifier.async_notify
    callback = (AsyncCallback if is_async else SyncCallback)(late.call, dict(late.arguments))
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=late.after_s), callback=callback
    )


def _made(call: CallSpec) -> Any:
    target = _imported(call.call)
    try:
        if isinstance(target, type):
            return target(**call.arguments)
        inspect.signature(target).bind_partial(**call.arguments)
    except TypeError as error:
        raise SpecError(f"{call.call} does not accept the arguments that the spec gives to it: {error}.") from None
    return functools.partial(target, **call.arguments)


def _imported(path: str) -> Callable[..., Any]:
    module_name, _, name = path.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise SpecError(f"{path} cannot be imported: {error}. Give the path of a notifier or function.") from None
    found = getattr(module, name, None)
    if not callable(found):
        nearest = difflib.get_close_matches(name, [one for one in vars(module) if one[0] != "_"], n=1)
        hint = f"did you mean {module_name}.{nearest[0]}?" if nearest else "give the path of a notifier or function"
        raise SpecError(f"{module_name} has no notifier or function {name!r}; {hint}")
    return found  # type: ignore[no-any-return]
