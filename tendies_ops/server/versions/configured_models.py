"""
The configured models and labels, and how they change while the server runs.

Source: tensorflow/serving model_servers/server_core.cc, ReloadConfig and UpdateModelVersionLabelMap.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final

from tendies_ops.server.status_codes import StatusError, invalid_argument
from tendies_ops.server.versions.manager import Manager
from tendies_ops.server.versions.model_config import read_model_config
from tendies_ops.server.versions.version_source import ModelConfig, VersionSource

log = logging.getLogger(__name__)

_LIST_IS_GONE: Final = (
    "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."
)


class Models:
    """
    The configured models.

    :param allow_unavailable: new and unchanged labels may refer to versions that are not available.
    """

    def __init__(self, manager: Manager, source: VersionSource, *, allow_unavailable: bool) -> None:
        self._manager = manager
        self._source = source
        self._allow_unavailable = allow_unavailable
        self._models: dict[str, ModelConfig] = {}
        self._is_configured = False
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """Return the names of the configured models."""
        return list(self._models)

    def apply(self, models: Mapping[str, ModelConfig] | None) -> None:
        """
        Replace the whole configuration, or leave all as it is.

        :param models: None for a config file without a list of models, such as one that is being written. It changes
            nothing, while an empty list unloads everything.
        :raises StatusError: a label refers to a version that is not available, or a list is followed by None.
        """
        with self._lock:
            if models is None:
                if self._is_configured:
                    raise StatusError("FAILED_PRECONDITION", _LIST_IS_GONE)
                return
            for model in models.values():
                self._check_labels(model)
            self._models = dict(models)
            self._is_configured = True
            self._source.set_models(models)

    def version_of_label(self, model_name: str, label: str) -> int:
        """
        Return the version of a label.

        :raises StatusError: INVALID_ARGUMENT, there is no such label.
        """
        model = self._models.get(model_name)
        if model is None or label not in model.labels:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return model.labels[label]

    def ready(self) -> bool:
        """Return True if every configured model can be used."""
        return all(self._manager.serving.available(name) for name in self._models)

    def _check_labels(self, model: ModelConfig) -> None:
        old = self._models.get(model.name)
        in_use = old.labels if old is not None else {}
        available = self._manager.serving.available(model.name)
        for label, version in model.labels.items():
            if version in available or (self._allow_unavailable and in_use.get(label, version) == version):
                continue
            raise StatusError(
                "FAILED_PRECONDITION",
                f"Request to assign label to version {version} of model {model.name}, which is not currently "
                "available for inference",
            )

    def reload(self, path: str) -> None:
        """Read the model config file again; errors are only logged."""
        try:
            models = read_model_config(path)
            before = self._models
            self.apply(models)
        except StatusError as error:
            log.error("%s is not applied: %s", path, error.message)  # noqa: TRY400  # the message is complete
            return
        if self._models != before:
            self._source.poll_now()
