"""Looks at the base paths and tells which versions should serve."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tendies_ops.server.versions.version_policy import VersionPolicy, aspired_versions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelConfig:
    """One model to serve."""

    name: str
    base_path: str
    policy: VersionPolicy = field(default_factory=VersionPolicy)
    labels: Mapping[str, int] = field(default_factory=dict)


class VersionSource:
    """
    Looks at the base paths.

    :param tell: is told which versions of a model should serve, and no others.
    """

    def __init__(self, tell: Callable[[str, Mapping[int, Path]], None]) -> None:
        self._tell = tell
        self._models: dict[str, ModelConfig] = {}
        self._lock = threading.Lock()

    def set_models(self, models: Mapping[str, ModelConfig]) -> None:
        """Replace the models; the versions of those that are gone should serve no longer."""
        with self._lock:
            gone = self._models.keys() - models.keys()
            self._models = dict(models)
        for name in gone:
            self._tell(name, {})

    def poll_now(self) -> None:
        """
        Look at every base path once.

        If one of them is missing, nothing changes for any model: as the real server, and what keeps models serving
        while their storage is away.
        """
        with self._lock:
            try:
                found = {name: _look(model) for name, model in self._models.items()}
            except OSError as error:
                log.error("FileSystemStoragePathSource encountered a filesystem access error: %s", error)  # noqa: TRY400  # a traceback says no more
                return
            for name, versions in found.items():
                self._tell(name, versions)


def _look(model: ModelConfig) -> dict[int, Path]:
    try:
        names = os.listdir(model.base_path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = f"NOT_FOUND: {model.base_path} not found" if missing else f"FAILED_PRECONDITION: {error.strerror}"
        raise OSError(
            f"Could not find base path {model.base_path} for servable {model.name} with error {why}"
        ) from None
    chosen = aspired_versions(names, model.policy)
    if not chosen:
        log.warning(
            "No versions of servable %s found under base path %s. Did you forget to name your leaf directory as a "
            "number (eg. '/1/')?",
            model.name,
            model.base_path,
        )
    return {version: Path(model.base_path) / name for version, name in chosen.items()}
