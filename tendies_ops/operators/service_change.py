"""Functions of the operators that change what serves: the terms, and the records of the change."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import Context

from tendies_ops.errors import TendiesError
from tendies_ops.operators.assets import announce, remember_deployed
from tendies_ops.operators.lineage import lineage_of_failed_release, lineage_of_release
from tendies_ops.operators.metrics import count_failed_release, count_release
from tendies_ops.operators.task_settings import given_settings
from tendies_ops.operators.tendies_operator import TendiesOperator
from tendies_ops.spec import ReleaseSettings, ReleaseSpec, read_manifest

if TYPE_CHECKING:
    from tendies_ops.release import ReleaseReport


def terms_of(operator: Any) -> ReleaseSpec:
    """Return the terms of the release: ``options`` with the settings that are arguments of their own."""
    options: ReleaseSpec = operator.options or ReleaseSpec()
    return options.changed(given_settings(operator, ReleaseSettings))


def change_service(
    operator: TendiesOperator,
    context: Context,
    change: Callable[..., ReleaseReport],
    *,
    model_name: str,
    model_base_path: str | None,
    note: str,
) -> dict[str, Any]:
    """
    Carry out a release or rollback, and record it in the asset's event and state, the metrics and the lineage.

    :param change: called with base path and servers, and their credentials.
    :param model_base_path: the operator's own; None: the connection's.
    :param note: part of the summary.
    :return: the summary.
    """
    server = operator.model_server()
    try:
        report = change(
            Path(operator.base_path(model_base_path, model_name)),
            server.servers,
            on_step=operator.log.info,
            credentials=server.credentials,
        )
    except TendiesError as error:
        failure = error
        operator.keep_record("The metrics", lambda: count_failed_release(model_name, failure))
        operator.keep_record("The lineage", lambda: _set_lineage_of_failure(operator, model_name, failure))
        raise
    summary = {**report.summary(), "note": note}
    operator.keep_record("The asset event", lambda: announce(context, operator.outlets, "model", summary))
    operator.keep_record("The deployed version", lambda: remember_deployed(context, operator.outlets, summary))
    operator.keep_record("The metrics", lambda: count_release(summary))
    operator.keep_record("The lineage", lambda: operator.set_lineage(lineage_of_release(summary)))
    return summary


def _set_lineage_of_failure(operator: TendiesOperator, model_name: str, error: Exception) -> None:
    saved_model = getattr(operator, "saved_model_dir", None)  # a rollback has none
    checkpoint = read_manifest(Path(saved_model)).source.checkpoint if saved_model else ""
    operator.set_lineage(lineage_of_failed_release(model_name, checkpoint, error))
