"""The one builder of history records of releases and rollbacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tendies_ops.publish.history import Event, HistoryRecord
from tendies_ops.publish.version_dirs import manifest_or_none
from tendies_ops.release.record.journal import Journal
from tendies_ops.spec.manifest import Manifest


def record_of_journal(journal: Journal, event: Event, *, reason: str = "", version_dir: Path) -> HistoryRecord:
    """
    Build the record of how the release of a journal's version ended.

    :param reason: in addition to the note and the approval in the journal.
    :param version_dir: of the version; read if a journal of an older tendies does not name the checkpoint.
    """
    record = HistoryRecord(
        event,
        journal.version,
        "; ".join(filter(None, [journal.note, journal.approval, reason])),
        journal.model_name,
        journal.model_digest,
        journal.checkpoint,
        journal.checkpoint_step,
        journal.servers,
        request=journal.request,
        model_config_file=journal.model_config_file,
    )
    record = replace(record, who=journal.who) if journal.who else record
    manifest = None if record.checkpoint else manifest_or_none(version_dir)
    return record if manifest is None else _with_source(record, manifest)


def record_of_version(
    event: Event,
    version: int,
    version_dir: Path,
    *,
    reason: str,
    servers: tuple[str, ...] = (),
    who: str = "",
) -> HistoryRecord:
    """Build the record of a version that is withdrawn, with the facts of its own manifest."""
    record = HistoryRecord(event, version, reason, servers=tuple(servers))
    record = replace(record, who=who) if who else record
    manifest = manifest_or_none(version_dir)  # a version that tendies did not make can be withdrawn all the same
    if manifest is None:
        return record
    return _with_source(replace(record, model_name=manifest.model_name, model_digest=manifest.model_digest), manifest)


def _with_source(record: HistoryRecord, manifest: Manifest) -> HistoryRecord:
    return replace(record, checkpoint=manifest.source.checkpoint, checkpoint_step=manifest.source.step)
