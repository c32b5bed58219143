"""The versions in a model base path, and the next number, by Model Server's own rules."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.errors import PublishError
from tendies_ops.spec.manifest import Manifest, read_manifest

# absl::SimpleAtoi, as file_system_storage_path_source.cc uses it: ASCII white space around a sign and decimal digits.
_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)[ \t\n\v\f\r]*", re.ASCII)
_INT64_MAX = 2**63 - 1
_INT64_MIN = -(2**63)


@dataclass(frozen=True)
class VersionDir:
    """A child of a model base path that Model Server takes for a version."""

    version: int
    path: Path
    is_directory: bool  #: a plain file counts as a version too, and fails to load

    @property
    def is_plain(self) -> bool:
        """Return True if it is a directory named as tendies names them: ``7``, not ``007``, ``+7`` or ``0``."""
        return self.is_directory and self.version > 0 and self.path.name == str(self.version)


def parse_version(name: str) -> int | None:
    """
    Return the version that Model Server reads from a child's name, or None if it ignores the child.

    ``7``, ``007``, ``+7``, `` 7`` are versions, so are ``0`` and ``-7``; ``7.tmp``, ``.7``, ``1e1``, ``0x7`` are not.
    """
    match = _INTEGER.fullmatch(name)
    if match is None:
        return None
    version = int(match.group(1))
    return version if _INT64_MIN <= version <= _INT64_MAX else None


def list_version_dirs(model_base_path: Path) -> list[VersionDir]:
    """
    Return the versions that Model Server sees in ``model_base_path``, lowest first. A missing directory has none.

    Of two names for one number (``1`` and ``001``) the one that sorts last counts, as in Model Server.
    """
    found: dict[int, VersionDir] = {}
    try:
        with os.scandir(model_base_path) as entries:
            children = sorted((entry.name, _is_directory(entry)) for entry in entries)
    except FileNotFoundError:
        return []
    for name, is_directory in children:
        version = parse_version(name)
        if version is not None:
            found[version] = VersionDir(version, model_base_path / name, is_directory)
    return [found[version] for version in sorted(found)]


def manifest_or_none(version_dir: Path) -> Manifest | None:
    """Return the manifest of a version; None if it has none that can be read: tendies did not make it."""
    try:
        return read_manifest(version_dir)
    except PublishError:
        return None


def next_version(taken: Iterable[int]) -> int:
    """
    Return the number after every number that was ever used.

    :raises PublishError: the highest number there is, 2^63 - 1, is used up.
    """
    version = max((0, *taken)) + 1
    if version > _INT64_MAX:
        raise PublishError("Version 9223372036854775807 is the highest number, and it is used.")
    return version


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
