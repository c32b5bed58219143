from __future__ import annotations

from tendies_ops.errors import TendiesError


class DevError(TendiesError):
    """Airflow or a Model Server of ``tendies dev`` cannot start, or has ended."""
