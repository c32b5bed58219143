"""Makes no DAG, but an import error in Airflow while a model spec is wrong. Other models keep their DAGs."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.dag_factory import require_specs

require_specs(Path(__file__).parent.parent / "specs")
