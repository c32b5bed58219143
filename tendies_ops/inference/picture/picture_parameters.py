"""The parameters of a picture: those of the run, under those of rules, tables and its own sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from tendies_ops.errors import UsageError
from tendies_ops.files import digest_bytes
from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.parameter_files import ParameterFiles, find_parameter_files
from tendies_ops.inference.picture.parameter_pictures import ParameterPictures
from tendies_ops.inference.storage.local import Input
from tendies_ops.spec.parameters import ExtraInput, read_value, read_values

_LONGEST_RECORDED_BYTES = 1024


class Parameters:
    """
    The parameters of a run's pictures.

    Of several values the most specific wins: a default, the run's, rules by path, tables and sidecars of the input, and
    what a fan-out fixes.

    :param inputs: what the model takes besides the picture.
    :param files: what files of the input say.
    :param pictures: reads the pictures that values name.
    :raises UsageError: a value is missing, unknown or not allowed, for the run, in a rule or in a table.
    """

    def __init__(
        self,
        inputs: Mapping[str, ExtraInput],
        options: BatchOptions,
        files: ParameterFiles,
        pictures: ParameterPictures,
    ) -> None:
        self._inputs, self._files, self.pictures = inputs, files, pictures
        self._common, self._fixed = options.parameters, options.fixed_parameters
        self._rules = [
            (PathFilter((pattern,), (), include_hidden=True), values)
            for pattern, values in options.parameters_by_path.items()
        ]
        self._by_some = self._values_of_some()
        common = read_values(inputs, {**self._by_some, **self._common, **self._fixed})
        for _, values in self._rules:
            read_values(inputs, {**common, **values})
        for line in files.lines:
            self._check_line(line.place, {**common, **line.values})
        try:
            #: Of a harmless picture. What only some pictures have a value for is that of one of them.
            self.of_run: Mapping[str, Any] = self._with_pictures(common)
        except PictureError as error:
            raise UsageError(f"The run cannot start: {error.reason}.") from error

    def _check_line(self, place: str, values: Mapping[str, Any]) -> None:
        try:
            read_values(self._inputs, values)
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from error

    def _with_pictures(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return values with the paths of pictures replaced by what is known of the pictures."""
        return {
            name: value if self._inputs[name].picture is None else self.pictures.describe(name, value)
            for name, value in values.items()
        }

    def _values_of_some(self) -> dict[str, Any]:
        """Return a value of some picture for each input that has neither a default nor a value of the run."""
        needed = {name for name, one in self._inputs.items() if one.default is None} - {*self._common, *self._fixed}
        good: dict[str, Any] = {}
        wrong: dict[str, Any] = {}
        for values in (*(values for _, values in self._rules), *self._files.examples()) if needed else ():
            for name in (needed & values.keys()) - good.keys():
                (good if self._is_good(name, values[name]) else wrong)[name] = values[name]
        return {**wrong, **good}

    def _is_good(self, name: str, value: Any) -> bool:
        try:
            self._with_pictures({name: read_value(name, value, self._inputs[name])})
        except (UsageError, PictureError):
            return False
        return True

    def of(self, path: str) -> Mapping[str, Any]:
        """
        Return the values for one picture, as JSON for its row of a request.

        :param path: of the picture, below the input folder.
        :raises PictureError: its sidecar is wrong, or nothing gives it a value that it needs.
        """
        if not self._inputs or not (self._rules or self._files):
            return self.of_run
        values = dict(self._common)
        for rule, more in self._rules:
            if rule.takes(path):
                values |= more
        values |= {**self._files.values_for(path), **self._fixed}
        missing = self._by_some.keys() - values.keys()
        if missing:
            names = ", ".join(sorted(missing))
            raise PictureError("unsupported", f"no rule of parameters_by_path, table or sidecar gives it {names}")
        try:
            return self._with_pictures(read_values(self._inputs, values))
        except UsageError as error:
            raise PictureError("unsupported", str(error)) from error

    def recorded(self, path: str) -> dict[str, Any] | None:
        """Return what the ledger keeps of the values for a picture; None if it cannot have any."""
        try:
            return to_record(self.of(path))
        except PictureError:
            return None


def open_parameters(inputs: Mapping[str, ExtraInput], options: BatchOptions, source: Input, version: int) -> Parameters:
    """
    Read what the input says of its pictures, if the model takes more than these.

    :param version: that is pinned; its directory has the pictures of choices.
    :raises UsageError: a value is missing, unknown or not allowed, for the run, in a rule or in a table.
    """
    files = find_parameter_files(source, options.output) if inputs else ParameterFiles()
    version_dir = None if options.model_base_path is None else Path(options.model_base_path) / str(version)
    return Parameters(inputs, options, files, ParameterPictures(source, version_dir, options))


def to_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as the ledger keeps them: long ones, such as raw tensors, as a digest."""
    return {name: _recorded(value) for name, value in values.items()}


def _recorded(value: Any) -> Any:
    text = orjson.dumps(value)
    return value if len(text) <= _LONGEST_RECORDED_BYTES else digest_bytes(text)
