"""The model config file that the servers poll."""

from __future__ import annotations

from tendies_ops.release.swap.model_config.entry import ModelEntry, change_entry, read_entry
from tendies_ops.release.swap.model_config.file import ModelConfigFile

__all__ = ["ModelConfigFile", "ModelEntry", "change_entry", "read_entry"]
