"""Facts about a version's speed that one run keeps for the next: ``.tendies/learned.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tendies_ops.files import write_text_atomically

_VERSIONS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Learned:
    """The facts about one version of one model, on these servers."""

    concurrency: int = 1  #: requests in flight at one server that were best
    seconds_per_megapixel: float = 0.0  #: of a request; 0: not known
    images_per_second: float = 0.0  #: of the whole run; 0: not known
    same_size: bool = False  #: it only accepts requests whose pictures have one size


class LearnedFile:
    """
    A small file of hints. A broken one counts as missing.

    :param model_name: with ``version``, the key of the facts.
    """

    def __init__(self, path: Path, model_name: str, version: int) -> None:
        self._path = path
        self._key = f"{model_name}/{version}"

    def read(self) -> Learned:
        """Return the facts; without any, those for the slowest start."""
        values = self._read_all().get(self._key, {})
        try:
            return Learned(
                max(1, int(values["concurrency"])),
                float(values["seconds_per_megapixel"]),
                float(values["images_per_second"]),
                bool(values.get("same_size", False)),
            )
        except (KeyError, TypeError, ValueError):
            return Learned()

    def write(self, learned: Learned) -> None:
        """Keep the facts, and drop those of the oldest versions."""
        everything = self._read_all()
        everything.pop(self._key, None)
        everything[self._key] = asdict(learned)
        newest = dict(list(everything.items())[-_VERSIONS_KEPT:])
        write_text_atomically(self._path, json.dumps(newest, indent=1), durable=False)

    def _read_all(self) -> dict[str, Any]:
        try:
            values = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return values if isinstance(values, dict) else {}
