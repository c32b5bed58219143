"""What happens when a deadline has passed. The triggerer imports and calls this."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

log = logging.getLogger(__name__)


async def report_late(*, model_name: str, context: Any = None) -> None:
    """Say it in the triggerer's log and count it. The UI shows it under Browse, Deadlines."""
    from airflow.sdk.observability import stats

    run = (context or {}).get("dag_run") or {}
    log.warning("The batch run of %s is late: %s", model_name, run)
    with contextlib.suppress(Exception):  # the count is a nicety; the log has said it
        stats.incr("tendies.batch.late", tags={"model": model_name})
