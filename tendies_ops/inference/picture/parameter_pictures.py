"""Pictures that parameters name, such as styles: read once, converted once, sent with many requests."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pybase64

from tendies_ops.errors import InputFolderError
from tendies_ops.files import digest_bytes
from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.prepare import prepare
from tendies_ops.inference.storage.local import Input
from tendies_ops.rest_api.predict import Inputs, SharedInputs
from tendies_ops.spec.parameters import CHOICES_DIRECTORY

_MOST_CHARACTERS = 256 << 20  # of base64 that is kept; others are read again
_KEYS = {"picture", "digest", "size_bytes"}


class ParameterPictures:
    """
    Pictures that parameters name: below the input folder, or choices in the version. Any thread may use it.

    :param version_dir: of the pinned version, if it is visible.
    :param options: limits on bytes and pixels.
    """

    def __init__(self, source: Input, version_dir: Path | None, options: BatchOptions) -> None:
        self._source, self._version_dir = source, version_dir
        self._options = options.replaced(size=None, size_policy="fit", animated="first")
        self._described: dict[str, dict[str, Any]] = {}
        self._encoded: OrderedDict[str, str] = OrderedDict()
        self._kept_characters = 0
        self._lock = threading.Lock()

    def describe(self, name: str, path: str) -> dict[str, Any]:
        """
        Return path, digest and size of a picture, as the ledger and the provenance keep them.

        :param name: of the parameter.
        :raises PictureError: it cannot be read or is not a picture.
        """
        known = self._described.get(path)
        if known is None:
            known = self._described[path] = self._read(name, path)
        return known

    def inputs(self, parameters: Sequence[Mapping[str, Any]], *, shared: bool) -> Inputs:
        """
        Return what a request has in addition to its files.

        :param parameters: of each file; all of them with the same pictures.
        :param shared: send such a picture once.
        :raises InputFolderError: a picture has changed since it was described.
        """
        common = {name: value for name, value in parameters[0].items() if is_picture(value)}
        if not (common and shared and len(parameters) > 1):
            return [self.to_send(row) for row in parameters]
        rows = [{name: value for name, value in row.items() if name not in common} for row in parameters]
        return SharedInputs(rows, self.to_send(common))

    def to_send(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """
        Return values as a request has them: pictures as base64 objects.

        :raises InputFolderError: a picture has changed since it was described.
        """
        return {name: {"b64": self._text(value)} if is_picture(value) else value for name, value in values.items()}

    def _text(self, described: dict[str, Any]) -> str:
        path = described["picture"]
        with self._lock:
            text = self._encoded.get(path)
            if text is not None:
                self._encoded.move_to_end(path)
                return text
        try:
            again = self._read("a parameter", path)
        except PictureError as error:
            raise InputFolderError(f"During the run, {error.reason}.") from error
        if again != described:
            raise InputFolderError(f"{path}, which a parameter names, was changed during the run. Run it again.")
        return self._encoded[path]

    def _read(self, name: str, path: str) -> dict[str, Any]:
        try:
            data = self._bytes_of(path)
        except OSError as error:
            reason = f"{path}, the picture for its `{name}`, cannot be read: {error.strerror or error}"
            raise PictureError("unreadable", reason) from error
        try:
            file = prepare(data, self._options).parts[0]
        except PictureError as error:
            raise PictureError("unsupported", f"{path}, the picture for its `{name}`: {error.reason}") from error
        self._keep(path, pybase64.b64encode(file).decode("ascii"))
        return {"picture": path, "digest": digest_bytes(data), "size_bytes": len(file)}

    def _bytes_of(self, path: str) -> bytes:
        if self._version_dir is None or not path.startswith(f"{CHOICES_DIRECTORY}/"):
            return self._source.read(path)
        real = (self._version_dir / path).resolve()
        if not real.is_relative_to(self._version_dir.resolve()):
            raise OSError("it is outside the version")
        return real.read_bytes()

    def _keep(self, path: str, text: str) -> None:
        with self._lock:
            self._kept_characters += len(text) - len(self._encoded.pop(path, ""))
            self._encoded[path] = text
            while self._kept_characters > _MOST_CHARACTERS and len(self._encoded) > 1:
                _, dropped = self._encoded.popitem(last=False)
                self._kept_characters -= len(dropped)


def is_picture(value: Any) -> bool:
    """Return True for what :meth:`ParameterPictures.describe` returns."""
    return isinstance(value, dict) and value.keys() == _KEYS
