"""The base paths, and the versions in them that should serve."""

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
    Watches the base paths.

    :param aspire: called with the versions of a model that should serve.
    """

    def __init__(self, aspire: Callable[[str, Mapping[int, Path]], None]) -> None:
        self._aspire = aspire
        self._models: dict[str, ModelConfig] = {}
        self._empty: set[str] = set()  # base paths that had no versions when they were last polled
        self._lock = threading.Lock()

    def set_models(self, models: Mapping[str, ModelConfig]) -> None:
        """Replace the models; no version of a removed model should serve any more."""
        with self._lock:
            gone = self._models.keys() - models.keys()
            self._models = dict(models)
        for name in gone:
            self._aspire(name, {})

    def poll_now(self) -> None:
        """
        Read every base path once.

        If one of them is missing, nothing changes for any model, as in the real server: models keep serving while
        their storage is unreachable.
        """
        with self._lock:
            try:
                found = {name: _look(model) for name, model in self._models.items()}
            except OSError as error:
                log.error("FileSystemStoragePathSource encountered a filesystem access error: %s", error)  # noqa: TRY400  # a traceback adds nothing
                return
            for name, versions in found.items():
                self._warn_once(self._models[name], versions)
                self._aspire(name, versions)

    def _warn_once(self, model: ModelConfig, versions: dict[int, Path]) -> None:
        """Warn about a model without versions when that is new: a first release may be hours away."""
        if versions:
            self._empty.discard(model.base_path)
        elif model.base_path not in self._empty:
            self._empty.add(model.base_path)
            text = "No versions of servable %s found under base path %s. Did you forget to number them?"
            log.warning(text, model.name, model.base_path)


def _look(model: ModelConfig) -> dict[int, Path]:
    try:
        names = os.listdir(model.base_path)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        why = f"NOT_FOUND: {model.base_path} not found" if missing else f"FAILED_PRECONDITION: {error.strerror}"
        raise OSError(
            f"Could not find base path {model.base_path} for servable {model.name} with error {why}"
        ) from None
    return {version: Path(model.base_path, name) for version, name in aspired_versions(names, model.policy).items()}
