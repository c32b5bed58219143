"""A DAG ``tendies_batch_<model>`` for each model spec, on Airflow. Nothing happens here but reading the specs."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.dag_factory import batch_dag, read_specs

for spec in read_specs(Path(__file__).parent.parent / "examples" / "models"):
    globals()[f"tendies_batch_{spec.model_name}"] = batch_dag(spec)
