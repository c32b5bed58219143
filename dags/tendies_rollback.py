"""A DAG ``tendies_rollback_<model>`` for each model spec, on Airflow. Nothing happens here but reading the specs."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.dag_factory import read_specs, rollback_dag

for spec in read_specs(Path(__file__).parent.parent / "examples" / "models"):
    globals()[f"tendies_rollback_{spec.model_name}"] = rollback_dag(spec)
