"""Paths of a version's golden pictures, and of the contact sheets of its optimised variants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from tendies_ops.errors import PublishError
from tendies_ops.publish.layout import list_withdrawn
from tendies_ops.publish.version_dirs import list_version_dirs
from tendies_ops.spec import Manifest, read_manifest
from tendies_ops.web.safety import OutsideError, confine
from tendies_ops.web.sources.known import KnownModel
from tendies_ops.web.sources.number_answers import promised_picture


def version_path(model: KnownModel, version: int) -> Path | None:
    """Return the directory of a version, withdrawn or not. The number is looked up among the directories."""
    base_path = model.location.model_base_path
    if base_path is None:
        return None
    present = next((entry.path for entry in list_version_dirs(base_path) if entry.version == version), None)
    return present or list_withdrawn(base_path).get(version)


def golden_path(directory: Path | None, index: int, side: str) -> Path:
    """
    Return the file of one golden picture of a version or candidate.

    :param index: its place in the manifest, from 0.
    :param side: ``before`` (what is sent) or ``after`` (the first picture that the exporter promised).
    :raises OutsideError: it does not exist, or the manifest names a file outside of the version.
    """
    return _file_at(
        directory,
        index,
        lambda found: [one.input if side == "before" else promised_picture(one) for one in found.golden],
    )


def sheet_path(directory: Path | None, index: int) -> Path:
    """
    Return the contact sheet of one variant that the export of a version tried.

    :param index: its place in the manifest, from 0.
    :raises OutsideError: it does not exist, or the manifest names a file outside of the version.
    """
    return _file_at(
        directory,
        index,
        lambda found: [variant.sheet for variant in found.optimization.variants] if found.optimization else [],
    )


def _file_at(directory: Path | None, index: int, names: Callable[[Manifest], Sequence[str | None]]) -> Path:
    try:
        name = names(read_manifest(directory))[index] if directory and index >= 0 else None
    except (PublishError, IndexError) as error:
        raise OutsideError(str(index)) from error
    if directory is None or name is None:
        raise OutsideError(str(index))
    return confine(directory, name)
