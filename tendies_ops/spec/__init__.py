"""The model spec, written by users, and the manifest of a version, written by the exporter."""

from __future__ import annotations

from tendies_ops.spec.airflow import AirflowSpec
from tendies_ops.spec.batch_settings import BatchSettings
from tendies_ops.spec.batch_spec import BatchSpec
from tendies_ops.spec.contract import Contract, OutputContract
from tendies_ops.spec.dag_settings import BatchDagSettings, CallSpec, DagSettings, NotifySpec
from tendies_ops.spec.index import INDEX_NAME, Wanted, load_indexed_specs, spec_paths
from tendies_ops.spec.input_contract import InputContract, ValueRange
from tendies_ops.spec.load import load_spec
from tendies_ops.spec.login_settings import NO_LOGIN, LoginSettings
from tendies_ops.spec.manifest import MANIFEST_PATH, Manifest, read_manifest
from tendies_ops.spec.model import ModelSpec
from tendies_ops.spec.optimize import PRECISIONS, OptimizeSpec
from tendies_ops.spec.release_spec import ReleaseSettings, ReleaseSpec
from tendies_ops.spec.retention_spec import RetentionSpec
from tendies_ops.spec.source import SourceSpec

__all__ = [
    "INDEX_NAME",
    "MANIFEST_PATH",
    "NO_LOGIN",
    "PRECISIONS",
    "AirflowSpec",
    "BatchDagSettings",
    "BatchSettings",
    "BatchSpec",
    "CallSpec",
    "Contract",
    "DagSettings",
    "InputContract",
    "LoginSettings",
    "Manifest",
    "ModelSpec",
    "NotifySpec",
    "OptimizeSpec",
    "OutputContract",
    "ReleaseSettings",
    "ReleaseSpec",
    "RetentionSpec",
    "SourceSpec",
    "ValueRange",
    "Wanted",
    "load_indexed_specs",
    "load_spec",
    "read_manifest",
    "spec_paths",
]
