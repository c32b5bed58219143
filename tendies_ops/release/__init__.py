"""Release a version as a transaction, and roll back."""

from __future__ import annotations

from tendies_ops.release.checks.rehearsal import rehearse
from tendies_ops.release.checks.review_candidate import reject_model, review_model
from tendies_ops.release.list_versions import ModelVersions, list_versions
from tendies_ops.release.release_model import release_model
from tendies_ops.release.release_report import ReleaseReport, ReplicaReport
from tendies_ops.release.replicas.fleet import check_servers
from tendies_ops.release.rollback_model import rollback_model

__all__ = [
    "ModelVersions",
    "ReleaseReport",
    "ReplicaReport",
    "check_servers",
    "list_versions",
    "rehearse",
    "reject_model",
    "release_model",
    "review_model",
    "rollback_model",
]
