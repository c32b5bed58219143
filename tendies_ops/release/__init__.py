"""Putting a version into service, as a transaction, and back."""

from __future__ import annotations

from tendies_ops.release.fleet import check_servers
from tendies_ops.release.rehearsal import rehearse
from tendies_ops.release.release import release_model
from tendies_ops.release.report import ReleaseReport, ReplicaReport
from tendies_ops.release.review import reject_model, review_model
from tendies_ops.release.rollback import rollback_model
from tendies_ops.release.versions import ModelVersions, list_versions

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
