"""The DAGs of a model spec: release, batch and rollback."""

from __future__ import annotations

from tendies_ops.dag_factory.build_again import again_dag
from tendies_ops.dag_factory.build_batch import batch_dag, batch_group
from tendies_ops.dag_factory.build_release import release_dag, release_group
from tendies_ops.dag_factory.build_rollback import rollback_dag
from tendies_ops.dag_factory.build_tidy import tidy_dag
from tendies_ops.dag_factory.folder_of_specs import dags_of_specs, require_specs, tendies_dag, tendies_dags
from tendies_ops.dag_factory.forms import batch_params, release_params

__all__ = [
    "again_dag",
    "batch_dag",
    "batch_group",
    "batch_params",
    "dags_of_specs",
    "release_dag",
    "release_group",
    "release_params",
    "require_specs",
    "rollback_dag",
    "tendies_dag",
    "tendies_dags",
    "tidy_dag",
]
