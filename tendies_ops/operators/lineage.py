"""
What went in and what came out, for whoever collects lineage: the OpenLineage provider reads it, and so can others.

Airflow's collector does nothing until a reader is installed, so this costs nothing where nobody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.lineage import get_hook_lineage_collector

if TYPE_CHECKING:
    from airflow.sdk import BaseHook


def report_batch(hook: BaseHook, summary: Mapping[str, Any]) -> None:
    """Pictures and a model version went in, pictures came out."""
    collector = get_hook_lineage_collector()
    collector.add_input_asset(context=hook, uri=as_uri(summary["input"]))
    collector.add_input_asset(context=hook, **_model(summary))
    extra = {name: summary[name] for name in ("done", "skipped", "failed", "run_id")}
    collector.add_output_asset(context=hook, uri=as_uri(summary["output"]), asset_extra=extra)


def report_release(hook: BaseHook, summary: Mapping[str, Any]) -> None:
    """A checkpoint went in, a model version came out."""
    collector = get_hook_lineage_collector()
    collector.add_input_asset(context=hook, uri=as_uri(summary["checkpoint"]))
    collector.add_output_asset(context=hook, **_model(summary))


def _model(summary: Mapping[str, Any]) -> dict[str, Any]:
    extra = {"version": summary["version"], "model_digest": summary["model_digest"]}
    return {"uri": f"tendies://model/{summary['model_name']}", "asset_extra": extra}


def as_uri(path: str) -> str:
    """A path as ``file://``; what is a URL already stays as it is."""
    return path if "://" in path else Path(path).absolute().as_uri()
