"""Pictures for a person to look at before a release, and what becomes of a no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.publish.layout import ensure_base_path
from tendies_ops.publish.versions import list_version_dirs
from tendies_ops.release.fleet import Fleet
from tendies_ops.release.gate import ask_live_version, compare_promises
from tendies_ops.release.preflight import serving_version
from tendies_ops.release.prove import read_golden
from tendies_ops.release.swap import make_swap
from tendies_ops.spec.manifest import read_manifest
from tendies_ops.spec.release import ReleaseSpec


def review_model(
    saved_model_dir: Path,
    model_base_path: Path,
    servers: Sequence[str],
    *,
    options: ReleaseSpec | None = None,
    headers: Mapping[str, str] | None = None,
    verify: bool | str = True,
) -> dict[str, Any]:
    """
    Hold a candidate's promised pictures against what the live version answers, and change nothing.

    :param headers: sent with every request (a proxy's token).
    :param verify: check certificates (True), do not, or check them with this CA bundle.
    :return: small JSON: ``model_name``, ``model_digest``, ``live_version`` (None: a first release, nothing to compare),
        ``images``, ``breaches`` and the path of the ``contact_sheet``.
    """
    manifest = read_manifest(saved_model_dir)
    golden = read_golden(saved_model_dir, manifest)
    options = options or ReleaseSpec()
    base = ensure_base_path(model_base_path)
    found: dict[str, Any] = {"model_name": manifest.model_name, "model_digest": manifest.model_digest}
    with Fleet(servers, manifest.model_name, headers=headers, verify=verify) as fleet:
        highest = serving_version(fleet.statuses(), list_version_dirs(base))
        version = make_swap(options.model_config_file, manifest.model_name).live_version(base, highest)
        live = ask_live_version(fleet, golden, version)
    if live is None:
        return {**found, "live_version": version, "images": {}, "breaches": []}
    result = compare_promises(base, live, golden, options.gate, model_digest=manifest.model_digest)
    return {**found, **result.summary()}


def reject_model(saved_model_dir: Path, model_base_path: Path, *, rejected_by: str, reason: str = "") -> None:
    """Write into the history that a person said no. Nothing was published, so there is nothing to withdraw."""
    manifest = read_manifest(saved_model_dir)
    words = f"rejected by {rejected_by}" + (f": {reason}" if reason else "")
    source = manifest.source
    record = HistoryRecord(
        "rejected", 0, words, manifest.model_name, manifest.model_digest, source.checkpoint, source.step
    )
    append_history(ensure_base_path(model_base_path), record)
