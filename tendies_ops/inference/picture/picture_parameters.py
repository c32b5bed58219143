"""The parameters of a picture: those of the run, under those of rules, tables and its own sidecar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tendies_ops.errors import UsageError
from tendies_ops.files import digest_bytes
from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.parameter_files import ParameterFiles
from tendies_ops.spec.parameters import ExtraInput, read_values

_LONGEST_RECORDED_BYTES = 1024


class Parameters:
    """
    The parameters of a run's pictures.

    Of several values the most specific wins: a default, the run's, rules by path, tables and sidecars of the input, and
    what a fan-out fixes.

    :param inputs: what the model takes besides the picture.
    :param files: what files of the input say.
    :raises UsageError: a value is missing, unknown or not allowed, for the run, in a rule or in a table.
    """

    def __init__(self, inputs: Mapping[str, ExtraInput], options: BatchOptions, files: ParameterFiles) -> None:
        self._inputs, self._files = inputs, files
        self._common, self._fixed = options.parameters, options.fixed_parameters
        self._rules = [
            (PathFilter((pattern,), (), include_hidden=True), values)
            for pattern, values in options.parameters_by_path.items()
        ]
        self._by_some = self._values_of_some()
        #: Of a harmless picture. What only some pictures have a value for is that of one of them.
        self.of_run = read_values(inputs, {**self._by_some, **self._common, **self._fixed})
        for _, values in self._rules:
            read_values(inputs, {**self.of_run, **values})
        for line in files.lines:
            self._check_line(line.place, line.values)

    def _check_line(self, place: str, values: Mapping[str, Any]) -> None:
        try:
            read_values(self._inputs, {**self.of_run, **values})
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from error

    def _values_of_some(self) -> dict[str, Any]:
        """Return a value of some picture for each input that has neither a default nor a value of the run."""
        found: dict[str, Any] = {}
        needed = {name for name, one in self._inputs.items() if one.default is None} - {*self._common, *self._fixed}
        for values in (*(values for _, values in self._rules), *self._files.examples()) if needed else ():
            for name in needed & values.keys():
                found.setdefault(name, values[name])
            if needed == found.keys():
                break
        return found

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
            return read_values(self._inputs, values)
        except UsageError as error:
            raise PictureError("unsupported", str(error)) from error

    def recorded(self, path: str) -> dict[str, Any] | None:
        """Return what the ledger keeps of the values for a picture; None if it cannot have any."""
        try:
            return to_record(self.of(path))
        except PictureError:
            return None


def to_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as the ledger keeps them: long ones, such as raw tensors, as a digest."""
    return {name: _recorded(value) for name, value in values.items()}


def _recorded(value: Any) -> Any:
    text = orjson.dumps(value)
    return value if len(text) <= _LONGEST_RECORDED_BYTES else digest_bytes(text)
