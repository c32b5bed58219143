"""What happens when another version serves, or fails to: events, the asset's memory, metrics, lineage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tendies_ops.errors import TendiesError
from tendies_ops.operators.assets import announce, remember_deployed
from tendies_ops.operators.lineage import report_release
from tendies_ops.operators.metrics import count_failed_release, count_release

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tendies_ops.operators.base import TendiesOperator


def tell_service_change(operator: TendiesOperator, context: Context, summary: dict[str, Any]) -> dict[str, Any]:
    """Another version serves: tell the asset's followers, the metrics and the lineage."""
    announce(context, operator.outlets, "model", summary)
    remember_deployed(context, operator.outlets, summary)
    count_release(summary)
    report_release(operator.hook(), summary)
    return summary


@contextmanager
def counting_failures(model_name: str) -> Iterator[None]:
    """Count what does not go through."""
    try:
        yield
    except TendiesError as error:
        count_failed_release(model_name, error)
        raise
