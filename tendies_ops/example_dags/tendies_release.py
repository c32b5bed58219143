"""A DAG ``tendies_release_<model>`` for each model spec, on Airflow. Nothing happens here but reading the specs."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.dag_factory import dags_of_specs, release_dag

globals().update(dags_of_specs(Path(__file__).parent.parent / "specs", release_dag))
