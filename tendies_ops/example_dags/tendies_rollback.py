"""A DAG ``tendies_rollback_<model>`` for each model spec, on Airflow."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.dag_factory import tendies_dags

globals().update(tendies_dags(Path(__file__).parent.parent / "specs", kinds=["rollback"]))
