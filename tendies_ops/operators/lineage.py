"""
The inputs and outputs of a task, for the OpenLineage provider if it is installed.

Its listener asks a task for them after the end. Airflow's own lineage collector cannot be used here: it drops datasets
whose scheme no installed provider knows, which are ours, and ``s3://`` without Amazon's provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage


class Data(NamedTuple):
    """Data that was read or written."""

    uri: str
    version: str = ""
    files: int | None = None  #: files written


class Lineage(NamedTuple):
    """The inputs and the output of one task that has run."""

    inputs: tuple[Data, ...]
    output: Data


def lineage_of_export(summary: Mapping[str, Any]) -> Lineage:
    """Return the lineage of an export: from a checkpoint to a SavedModel."""
    saved_model = Data(as_uri(summary["saved_model_dir"]), summary["model_digest"])
    return Lineage((Data(as_uri(summary["checkpoint"])),), saved_model)


def lineage_of_release(summary: Mapping[str, Any]) -> Lineage:
    """Return the lineage of a release: from a checkpoint to a version that serves."""
    return Lineage((Data(as_uri(summary["checkpoint"])),), _model(summary))


def lineage_of_batch(summary: Mapping[str, Any]) -> Lineage:
    """Return the lineage of a batch: from pictures and a version to results."""
    results = Data(as_uri(summary["output"]), files=summary["done"])
    return Lineage((Data(as_uri(summary["input"])), _model(summary)), results)


def to_openlineage(lineage: Lineage) -> OperatorLineage[Any, Any]:
    """Convert the lineage. Only the provider's listener calls this, so the provider is installed."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from openlineage.client.facet_v2 import dataset_version_dataset as versions
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    def described(data: Data) -> dict[str, Any]:
        namespace, name = name_of(data.uri)
        facets = {"version": versions.DatasetVersionDatasetFacet(data.version)} if data.version else {}
        return {"namespace": namespace, "name": name, "facets": facets}

    output = OutputDataset(**described(lineage.output))
    if lineage.output.files is not None:
        counts = statistics.OutputStatisticsOutputDatasetFacet(fileCount=lineage.output.files)
        output.outputFacets = {"outputStatistics": counts}
    return OperatorLineage(inputs=[InputDataset(**described(data)) for data in lineage.inputs], outputs=[output])


def name_of(uri: str) -> tuple[str, str]:
    """Return namespace and name, as https://openlineage.io/docs/spec/naming defines them."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return "file", unquote(parts.path)
    if parts.scheme == "tendies":
        return "tendies", f"{parts.netloc}{parts.path}"
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


def as_uri(path: str) -> str:
    """Return a path as ``file://``; a URL stays unchanged."""
    return path if "://" in path else Path(path).absolute().as_uri()


def _model(summary: Mapping[str, Any]) -> Data:
    return Data(f"tendies://model/{summary['model_name']}", version=str(summary["version"]))
