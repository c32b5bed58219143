"""The parameters of a picture: those of the run, overridden by those of the rules that match its path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.listing.patterns import PathFilter
from tendies_ops.inference.options import BatchOptions
from tendies_ops.spec.parameters import ExtraInput, read_values


class Parameters:
    """
    The parameters of a run's pictures.

    :param inputs: what the model takes besides the picture.
    :raises UsageError: a value is missing, unknown or not allowed, for the run or in a rule.
    """

    def __init__(self, inputs: Mapping[str, ExtraInput], options: BatchOptions) -> None:
        self._inputs, self._common = inputs, options.parameters
        self._rules = [
            (PathFilter((pattern,), (), include_hidden=True), values)
            for pattern, values in options.parameters_by_path.items()
        ]
        self._by_rules_alone = {
            name: value
            for _, values in self._rules
            for name, value in values.items()
            if name in inputs and inputs[name].default is None and name not in self._common
        }
        #: Of a harmless picture, and of every picture that no rule matches.
        self.of_run = read_values(inputs, {**self._by_rules_alone, **self._common})
        for _, values in self._rules:
            read_values(inputs, {**self.of_run, **values})

    def of(self, path: str) -> Mapping[str, Any]:
        """
        Return the values for one picture; of rules that match, later ones win.

        :param path: of the picture, below the input folder.
        :raises PictureError: no rule that matches gives it what only rules give.
        """
        if not self._rules:
            return self.of_run
        values = dict(self._common)
        for rule, more in self._rules:
            if rule.takes(path):
                values |= more
        missing = self._by_rules_alone.keys() - values.keys()
        if missing:
            names = ", ".join(sorted(missing))
            raise PictureError("unsupported", f"no pattern of parameters_by_path that matches it gives {names}")
        return read_values(self._inputs, values)
