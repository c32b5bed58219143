"""A DAG ``tendies_release_<model>`` for each model spec, on Airflow. Nothing happens here but reading the specs."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.dag_factory import read_specs, release_dag

for spec in read_specs(Path(__file__).parent.parent / "examples" / "models"):
    globals()[f"tendies_release_{spec.model_name}"] = release_dag(spec)
