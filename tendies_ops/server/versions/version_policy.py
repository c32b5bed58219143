"""
The versions of a model that should serve, by the names in its base path. No I/O.

Source: tensorflow/serving sources/storage_path/file_system_storage_path_source.cc.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

log = logging.getLogger(__name__)

_INTEGER: Final = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)[ \t\n\v\f\r]*", re.ASCII)
_INT64: Final = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True)
class VersionPolicy:
    """
    ``latest`` n, ``all``, or ``specific`` numbers; the default is the latest one.

    :param specific: None for another policy; an empty set means no version.
    """

    latest: int = 1
    all: bool = False
    specific: frozenset[int] | None = None


def parse_version(name: str) -> int | None:
    """
    Return the version of a directory entry's name; None if it has none.

    Read as absl::SimpleAtoi reads an int64: with white space around, a sign and leading zeros, and nothing else.
    """
    match = _INTEGER.fullmatch(name)
    if match is None:
        return None
    version = int(match.group(1))
    return version if version in _INT64 else None


def aspired_versions(names: Iterable[str], policy: VersionPolicy) -> dict[int, str]:
    """
    Return the versions that should serve, highest first, with the name of each one's directory entry.

    If two names have the same number, the last one in name order counts.
    """
    found: dict[int, str] = {}
    for name in sorted(names):
        version = parse_version(name)
        if version is None:
            continue
        if version in found and not policy.all:
            text = "Duplicate version directories detected. Version %d will be loaded from %s, %s will be ignored."
            log.warning(text, version, name, found[version])
        found[version] = name
    return {version: found[version] for version in _chosen(found, policy)}


def _chosen(found: Mapping[int, str], policy: VersionPolicy) -> list[int]:
    versions = sorted(found, reverse=True)
    if policy.all:
        return versions
    if policy.specific is not None:
        for missing in sorted(policy.specific - found.keys()):
            log.warning("The version policy requests version %d, which does not exist.", missing)
        return [version for version in versions if version in policy.specific]
    return versions[: policy.latest]
