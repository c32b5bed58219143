"""Pictures for the review of a candidate, and the rejection of a candidate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import UsageError
from tendies_ops.files import write_bytes_atomically, write_text_atomically
from tendies_ops.publish.history import HistoryRecord, append_history
from tendies_ops.publish.layout import REJECTED_SUFFIX, ensure_base_path, review_directory
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.release.checks.gate import ask_live_version, check_limits, compare_promises
from tendies_ops.release.checks.preconditions import live_version
from tendies_ops.release.replicas.fleet import Fleet
from tendies_ops.release.replicas.golden_images import read_golden
from tendies_ops.spec.manifest import read_manifest
from tendies_ops.spec.release_spec import ReleaseSpec

_REVIEWS_KEPT = 5  # more than exports are kept


def review_model(
    saved_model_dir: Path,
    model_base_path: Path,
    servers: Sequence[str],
    *,
    options: ReleaseSpec | None = None,
    credentials: Credentials = NO_CREDENTIALS,
) -> dict[str, Any]:
    """
    Compare a candidate's promised pictures with the live version's answers, and change nothing that serves.

    The result and the live version's pictures are kept with the reports of releases, for the pages.

    :param credentials: login and TLS for the replicas if ``options`` name no file of it.
    :return: small JSON: ``model_name``, ``model_digest``, ``live_version`` (None: a first release, nothing to compare),
        ``images``, ``breaches`` and the path of the ``contact_sheet``.
    """
    manifest = read_manifest(saved_model_dir)
    golden = read_golden(saved_model_dir, manifest)
    options = options or ReleaseSpec()
    check_limits(golden, options.gate)
    base = ensure_base_path(model_base_path)
    found: dict[str, Any] = {"model_name": manifest.model_name, "model_digest": manifest.model_digest}
    with Fleet(servers, manifest.model_name, credentials=credentials.with_files(options)) as fleet:
        version = live_version(fleet.served_versions(), base, manifest.model_name, options.model_config_file)
        live = ask_live_version(fleet, golden, version)
    if live is None:
        found |= {"live_version": version, "images": {}, "breaches": []}
    else:
        result = compare_promises(base, live, golden, options.gate, model_digest=manifest.model_digest)
        found |= result.summary()
    _keep_review(base, found, [live.pictures[image.name] for image in golden] if live else [])
    return found


def reject_model(saved_model_dir: Path, model_base_path: Path, *, rejected_by: str, reason: str = "") -> Path:
    """
    Record that a candidate was rejected, and withdraw it to a name that no release uses.

    :return: path of the rejected candidate, even if an earlier attempt renamed it.
    :raises UsageError: it is a version in a model base path, which servers may have loaded.
    """
    if any(child.path.absolute() == saved_model_dir.absolute() for child in list_version_dirs(model_base_path)):
        raise UsageError(
            f"{saved_model_dir} is a version in {model_base_path}, which servers may have loaded, and was not "
            "rejected. To take it out of service use `tendies rollback`."
        )
    withdrawn = saved_model_dir.with_name(saved_model_dir.name + REJECTED_SUFFIX)
    if withdrawn.is_dir() and not saved_model_dir.exists():
        return withdrawn
    manifest = read_manifest(saved_model_dir)
    words = f"rejected by {rejected_by}" + (f": {reason}" if reason else "")
    source = manifest.source
    record = HistoryRecord(
        "rejected",
        0,
        words,
        manifest.model_name,
        manifest.model_digest,
        source.checkpoint,
        source.step,
        who=rejected_by,
    )
    append_history(ensure_base_path(model_base_path), record)
    shutil.rmtree(withdrawn, ignore_errors=True)  # of the same run, rejected before and cleared
    return saved_model_dir.rename(withdrawn)


def _keep_review(model_base_path: Path, found: Mapping[str, Any], live: Sequence[bytes | str]) -> None:
    """Write ``review.json`` and the live version's pictures as ``live-N.png``, and remove old reviews."""
    folder = review_directory(model_base_path, found["model_digest"])
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(live):
        if isinstance(picture, bytes):
            write_bytes_atomically(folder / f"live-{number}.png", picture, durable=False)
    write_text_atomically(folder / "review.json", json.dumps(found, indent=2))
    reviews = sorted(folder.parent.glob("review-*"), key=lambda path: path.stat().st_mtime)
    for old in reviews[:-_REVIEWS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
