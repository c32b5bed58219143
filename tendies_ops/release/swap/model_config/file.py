"""Read a model config file, change it under a lock, and replace it by a rename."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tendies_ops.errors import ReleaseError, UsageError
from tendies_ops.files import write_text_atomically
from tendies_ops.publish.lock import lock_base_path
from tendies_ops.release.swap.model_config.entry import ModelEntry, change_entry, read_entry

_LOCK_TIMEOUT_S = 60.0  # its holder only writes a file


class ModelConfigFile:
    """
    One model's entry in one file. Releases of other models may change theirs at the same time, so there is a lock.

    :param path: the servers' ``--model_config_file``.
    """

    def __init__(self, path: Path, model_name: str) -> None:
        self.path = path
        self._model_name = model_name

    def read(self) -> ModelEntry:
        """
        Return the entry.

        :raises UsageError: there is no such file, or no such entry in it.
        """
        try:
            return read_entry(self._text(), self._model_name)
        except UsageError as error:
            raise UsageError(f"The model config file {self.path}: {error}") from None

    def write(self, *, versions: Sequence[int], labels: Mapping[str, int]) -> None:
        """
        Change this model's versions and labels. The file is whole at any moment and keeps its mode and owner.

        :raises ReleaseError: it cannot be written.
        """
        path = self.path.resolve()  # a link to it stays one
        try:
            with lock_base_path(path.parent, purpose=f"model config of {self._model_name}", timeout_s=_LOCK_TIMEOUT_S):
                text = change_entry(self._text(), self._model_name, versions=versions, labels=labels)
                write_text_atomically(path, text, like=path.stat())
        except OSError as error:
            raise ReleaseError(f"The model config file {self.path} cannot be written: {error.strerror}.") from error

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageError("it does not exist. Give the file that Model Server has as --model_config_file.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"it cannot be read ({error}).") from error
