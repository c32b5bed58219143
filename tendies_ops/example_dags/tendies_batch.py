"""A DAG ``tendies_batch_<model>`` for each model spec, on Airflow. Nothing happens here but reading the specs."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.dag_factory import batch_dag, dags_of_specs

globals().update(dags_of_specs(Path(__file__).parent.parent / "specs", batch_dag))
