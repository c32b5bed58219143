"""Loads version directories with TensorFlow."""

from __future__ import annotations

from pathlib import Path

from tendies_ops.server.servable import SavedModelServable, Servable, SessionSettings
from tendies_ops.server.status import StatusError


class SavedModelLoader:
    """Loads SavedModels, all with the same session settings."""

    def __init__(self, settings: SessionSettings) -> None:
        self._settings = settings

    def __call__(self, model_name: str, version: int, version_dir: Path) -> Servable:
        """
        Load one version.

        :raises StatusError: with TensorFlow's text.
        """
        require_saved_model(version_dir)
        return SavedModelServable(version_dir, self._settings)


def require_saved_model(version_dir: Path) -> None:
    """
    What the real server says before it asks TensorFlow (saved_model_bundle_factory.cc).

    :raises StatusError: NOT_FOUND, there is no SavedModel.
    """
    if not any((version_dir / name).exists() for name in ("saved_model.pb", "saved_model.pbtxt")):
        raise StatusError(
            "NOT_FOUND",
            "Specified file path does not appear to contain a SavedModel bundle (should have a file called "
            f"`saved_model.pb`)\nSpecified file path: {version_dir}",
        )
