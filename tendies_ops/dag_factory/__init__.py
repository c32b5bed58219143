"""The DAGs of a model spec: release, batch and rollback."""

from __future__ import annotations

from tendies_ops.dag_factory.build_batch import batch_dag
from tendies_ops.dag_factory.build_release import release_dag
from tendies_ops.dag_factory.build_rollback import rollback_dag
from tendies_ops.dag_factory.folder_of_specs import dags_of_specs, require_specs

__all__ = ["batch_dag", "dags_of_specs", "release_dag", "require_specs", "rollback_dag"]
