"""
The inputs and outputs of a task, for the OpenLineage provider if it is installed.

Its listener asks a task for them after the end. Airflow's own lineage collector cannot be used here: it drops datasets
whose scheme no installed provider knows, which are ours, and ``s3://`` without Amazon's provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.event_v2 import InputDataset, OutputDataset


class Check(NamedTuple):
    """Something that was tested: whether it holds, what was expected, and what was found."""

    name: str
    holds: bool
    expected: str
    found: str


class Data(NamedTuple):
    """Data that was read or written."""

    uri: str
    version: str = ""
    files: int | None = None  #: files read or written
    partition_key: str = ""


class Lineage(NamedTuple):
    """The inputs and the output of one task that has run, and what it has tested."""

    inputs: tuple[Data, ...]
    output: Data
    checks: tuple[Check, ...] = ()


def lineage_of_export(summary: Mapping[str, Any]) -> Lineage:
    """Return the lineage of an export: from a checkpoint to a SavedModel."""
    saved_model = Data(as_uri(summary["saved_model_dir"]), summary["model_digest"])
    return Lineage((Data(as_uri(summary["checkpoint"])),), saved_model)


def lineage_of_release(summary: Mapping[str, Any]) -> Lineage:
    """Return the lineage of a release or rollback: from a checkpoint to a version that serves."""
    replicas, images = summary["replicas"], (summary["gate"] or {}).get("images", {})
    worst = max((replica["max_difference"] for replica in replicas), default=0.0)
    checks = [Check("golden images", True, "as promised on every replica", f"up to {worst:g} of 255 apart")]
    if compared := {name: found for name, found in images.items() if "ssim" in found}:
        name, found = min(compared.items(), key=lambda one: float(one[1]["ssim"]))
        checks.append(Check("gate", True, "within its limits", f"{name} differs most: SSIM {found['ssim']}"))
    return Lineage(_checkpoint(summary["checkpoint"]), _model(summary), tuple(checks))


def lineage_of_failed_release(model_name: str, checkpoint: str, error: Exception) -> Lineage:
    """Return the lineage of a release or rollback that did not go through: no version is its output."""
    failed = Check("release", False, "every replica serves the version and passes its proof", str(error))
    return Lineage(_checkpoint(checkpoint), _model({"model_name": model_name}), (failed,))


def lineage_of_batch(summary: Mapping[str, Any]) -> Lineage:
    """
    Return the lineage of a batch: from pictures and a version to results.

    :param summary: of the report; of a run that did not come to its end, what is known of it.
    """
    key = summary.get("partition_key", "")
    pictures = Data(as_uri(summary["input"]), files=summary.get("total"), partition_key=key)
    results = Data(as_uri(summary["output"]), summary.get("run_id", ""), summary.get("done"), key)
    return Lineage((pictures, _model(summary)), results, tuple(_checks_of_batch(summary)))


def _checks_of_batch(summary: Mapping[str, Any]) -> Iterator[Check]:
    if "failed" not in summary:
        return
    allowed, total = summary.get("failures_allowed"), summary["total"]
    found = f"{summary['failed']} failed, {summary['done']} done, {summary['skipped']} skipped"
    found += f" of {total}" if total is not None else ""
    expected = "all pictures done" if allowed is None else f"up to {allowed} failed"
    yield Check("pictures", summary.get("ok", True) is not False, expected, found)
    for kind, count in summary.get("failures_by_kind", {}).items():
        yield Check(f"not {kind}", False, "0", str(count))


def to_openlineage(lineage: Lineage) -> OperatorLineage[Any, Any]:
    """Convert the lineage. Only the provider's listener calls this, so the provider is installed."""
    from airflow.providers.openlineage.extractors import OperatorLineage
    from openlineage.client.facet_v2 import test_run as tests

    executed = [
        tests.TestExecution(one.name, "pass" if one.holds else "fail", expected=one.expected, actual=one.found)
        for one in lineage.checks
    ]
    return OperatorLineage(
        inputs=[_input(data) for data in lineage.inputs],
        outputs=[_output(lineage.output)],
        run_facets={"test": tests.TestRunFacet(executed)} if executed else {},
    )


def _input(data: Data) -> InputDataset:
    from openlineage.client.event_v2 import InputDataset
    from openlineage.client.facet_v2 import base_subset_dataset as subset
    from openlineage.client.facet_v2 import input_statistics_input_dataset as statistics

    facets: dict[str, Any] = {}
    if data.files is not None:
        facets["inputStatistics"] = statistics.InputStatisticsInputDatasetFacet(fileCount=data.files)
    if data.partition_key:
        facets["subset"] = subset.InputSubsetInputDatasetFacet(_partition(data.partition_key))
    return InputDataset(**_dataset(data), inputFacets=facets)


def _output(data: Data) -> OutputDataset:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import base_subset_dataset as subset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    facets: dict[str, Any] = {}
    if data.files is not None:
        facets["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(fileCount=data.files)
    if data.partition_key:
        facets["subset"] = subset.OutputSubsetOutputDatasetFacet(_partition(data.partition_key))
    return OutputDataset(**_dataset(data), outputFacets=facets)


def _dataset(data: Data) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset as versions

    namespace, name = name_of(data.uri)
    facets = {"version": versions.DatasetVersionDatasetFacet(data.version)} if data.version else {}
    return {"namespace": namespace, "name": name, "facets": facets}


def _partition(key: str) -> Any:
    from openlineage.client.facet_v2 import base_subset_dataset as subset

    return subset.PartitionSubsetCondition([subset.Partition({"partition_key": key}, key)])


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
    return Data(f"tendies://model/{summary['model_name']}", version=str(summary.get("version") or ""))


def _checkpoint(place: str) -> tuple[Data, ...]:
    return (Data(as_uri(place)),) if place else ()
