"""What people write about a model (the spec) and what the exporter promises of a version (the manifest)."""

from __future__ import annotations

from tendies_ops.spec.airflow import AirflowSpec
from tendies_ops.spec.batch import BatchSpec
from tendies_ops.spec.batch_settings import BatchSettings
from tendies_ops.spec.contract import Contract, InputContract, OutputContract, ValueRange
from tendies_ops.spec.index import INDEX_NAME, load_indexed_specs
from tendies_ops.spec.load import load_spec
from tendies_ops.spec.login_settings import NO_LOGIN, LoginSettings
from tendies_ops.spec.manifest import MANIFEST_PATH, Manifest, read_manifest
from tendies_ops.spec.model import ModelSpec
from tendies_ops.spec.optimize import PRECISIONS, OptimizeSpec
from tendies_ops.spec.release import ReleaseSettings, ReleaseSpec
from tendies_ops.spec.source import SourceSpec

__all__ = [
    "INDEX_NAME",
    "MANIFEST_PATH",
    "NO_LOGIN",
    "PRECISIONS",
    "AirflowSpec",
    "BatchSettings",
    "BatchSpec",
    "Contract",
    "InputContract",
    "LoginSettings",
    "Manifest",
    "ModelSpec",
    "OptimizeSpec",
    "OutputContract",
    "ReleaseSettings",
    "ReleaseSpec",
    "SourceSpec",
    "ValueRange",
    "load_indexed_specs",
    "load_spec",
    "read_manifest",
]
