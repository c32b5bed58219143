"""A release that failed before it changed anything is recorded in the model's history, with its error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import Context

from tendies_ops.operators.who import who_triggered
from tendies_ops.publish.history import HistoryRecord, append_history, read_history
from tendies_ops.publish.layout import ensure_base_path
from tendies_ops.spec import read_manifest

#: Of an error in the history: its first lines, which name what failed; the task's log has all of it.
_MAX_CHARACTERS = 2000


def with_failure_recorded(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a task's keyword arguments with :func:`record_failure` among its callbacks."""
    given = arguments.get("on_failure_callback") or []
    callbacks: list[Callable[..., Any]] = list(given) if isinstance(given, list | tuple) else [given]
    return {**arguments, "on_failure_callback": [*callbacks, record_failure]}


def record_failure(context: Context) -> None:
    """
    Append ``failed`` and the error to the history. Airflow calls it when no try of the task is left.

    A version that was published and withdrawn again is in the history already, with the same error.
    """
    error = context.get("exception")
    operator: Any = context["task"]
    if error is None:
        return
    name, base_path, source = _subject(operator)
    base = ensure_base_path(Path(operator.base_path(base_path, name)))
    if _is_recorded(base, context["ti"].start_date):
        return
    reason = f"{operator.task_id}: {error}"[:_MAX_CHARACTERS]
    ti, who = context["ti"], who_triggered(context)
    append_history(
        base, HistoryRecord("failed", 0, reason, name, **source, request=f"{ti.dag_id}/{ti.run_id}", who=who)
    )


def _subject(operator: Any) -> tuple[str, str | None, dict[str, Any]]:
    """Return the model's name, its base path if the operator has one, and what was to be released."""
    if hasattr(operator, "saved_model_dir"):
        manifest = read_manifest(Path(operator.saved_model_dir))
        facts = {"checkpoint": manifest.source.checkpoint, "checkpoint_step": manifest.source.step}
        return manifest.model_name, operator.model_base_path, {**facts, "model_digest": manifest.model_digest}
    spec = operator.loaded_spec()
    base_path = operator.model_base_path or spec.release.model_base_path
    return (
        spec.model_name,
        base_path and str(base_path),
        {"checkpoint": str(operator.checkpoint or spec.source.checkpoint)},
    )


def _is_recorded(base: Path, since: datetime | None) -> bool:
    ended = [record.at for record in read_history(base) if record.event in {"withdrawn", "failed"}]
    return since is not None and bool(ended) and ended[-1] >= since.isoformat(timespec="milliseconds")
