"""Version directories that are whole or absent."""

from __future__ import annotations

from tendies_ops.publish.publish_version import PublishedVersion, publish_version
from tendies_ops.publish.version_dirs import VersionDir, list_version_dirs, parse_version

__all__ = ["PublishedVersion", "VersionDir", "list_version_dirs", "parse_version", "publish_version"]
