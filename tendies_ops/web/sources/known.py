"""
The models that the pages know: those of the model specs, and nothing else.

Every file that a page shows is found from here, by a model's name that is looked up (never joined to a path).
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import SpecError
from tendies_ops.files.object_store import is_remote
from tendies_ops.inference.ledger.ledger import STATE_FOLDER
from tendies_ops.inference.several_runs.fan_out import MATRIX_NAME
from tendies_ops.partitions.keys import Partitions, partitions_of
from tendies_ops.spec import INDEX_NAME, NO_LOGIN, BatchSpec, LoginSettings, ModelSpec, load_indexed_specs, spec_paths
from tendies_ops.spec.parameters import ExtraInput
from tendies_ops.spec.roots import input_roots
from tendies_ops.web.safety import is_inside
from tendies_ops.web.sources.mirrors import Mirror

_MOST_ENTRIES = 5000  # of an output folder that are looked at for a fan-out


@dataclass(frozen=True)
class Location:
    """Base path and servers of a model, from the spec, completed by Airflow's connection."""

    model_base_path: Path | None
    servers: tuple[str, ...]
    credentials: Credentials = NO_CREDENTIALS  #: of the connection
    login: LoginSettings = NO_LOGIN  #: of the spec; its files take the place of the connection's


Locate = Callable[[ModelSpec], Location]


def locate_by_spec(spec: ModelSpec) -> Location:
    """Return what the spec alone has."""
    return Location(spec.release.model_base_path, spec.release.servers, login=spec.release)


@dataclass(frozen=True)
class KnownModel:
    """One model and its places."""

    spec: ModelSpec
    location: Location
    mirror: Mirror | None = None  #: of an output in an object store
    batches: tuple[KnownModel, ...] = ()  #: each of several batches, with a spec that has it alone

    @property
    def parts(self) -> tuple[KnownModel, ...]:
        """Its batches, each with the folders of its own."""
        return self.batches or (self,)

    @property
    def batch_name(self) -> str:
        """The name of its batch, or of the first of several; empty if it has none."""
        return next(iter(self.spec.batches), "")

    @property
    def dag_ids(self) -> frozenset[str]:
        """All DAGs of the model."""
        batches = [part.batch_dag_id for part in self.parts]
        batches += [part.partitions.again_dag_id for part in self.parts if part.partitions]
        return frozenset((self.release_dag_id, self.rollback_dag_id, *batches))

    @property
    def name(self) -> str:
        """The model's name: letters, digits, ``_``, ``.``, ``-`` (the spec sees to it)."""
        return self.spec.model_name

    @property
    def release_dag_id(self) -> str:
        """The DAG that releases it."""
        return self.spec.dag_id("release")

    @property
    def rollback_dag_id(self) -> str:
        """The DAG that puts an earlier version back."""
        return self.spec.dag_id("rollback")

    @property
    def rollback_asset_uri(self) -> str:
        """The asset on whose events that DAG runs."""
        return f"tendies://rollback/{self.name}"

    @property
    def batch_dag_id(self) -> str:
        """The DAG that runs pictures through it."""
        return self.spec.dag_id("batch", self.batch_name)

    @property
    def partitions(self) -> Partitions | None:
        """The partitions of its batch, if the batch has some."""
        return partitions_of(self.spec, self.batch_name)

    def partition_folders(self) -> tuple[KnownModel, ...]:
        """Return this model with the folders of each partition that has results; else itself and its fan-out."""
        partitions = self.partitions
        if partitions is None:
            return (self, *self.fan_out())
        found = []
        for key in reversed(partitions.due(datetime.now(timezone.utc))):
            input_path, output = partitions.folders(key)
            if (folder := local_path(output)) is not None and folder.is_dir():
                found.append(self._with_folders(input_path, output))
        return tuple(found)

    def fan_out(self) -> tuple[KnownModel, ...]:
        """Return this model with the folder of each combination of parameters, as ``--fan-out`` made them."""
        output = local_path(self.spec.batch.output)
        if output is None or not (output / MATRIX_NAME).is_file():
            return ()
        with os.scandir(output) as entries:
            names = [entry.name for entry in islice(entries, _MOST_ENTRIES) if "=" in entry.name]
        folders = [output / name for name in sorted(names, key=_natural) if is_inside(output, output / name)]
        return tuple(
            self._with_folders(self.spec.batch.input, str(folder))
            for folder in folders
            if (folder / STATE_FOLDER).is_dir()
        )

    def _with_folders(self, input_path: str | None, output: str) -> KnownModel:
        batch = self.spec.batch.model_copy(update={"input": input_path, "output": output, "partitions": None})
        return replace(self, spec=self.spec.model_copy(update={"batch": batch}))

    @property
    def inputs(self) -> Mapping[str, ExtraInput]:
        """Inputs of the model besides the picture, as the spec has them."""
        return self.spec.contract.extra_inputs

    @property
    def input_roots(self) -> tuple[str, ...]:
        """Folders and URLs that the pictures of its runs may be in."""
        return input_roots(*self.spec.batches_by_name().values())

    @property
    def output(self) -> Path | None:
        """The folder of its results; for an object store the copy of what its runs keep there."""
        return self.mirror.folder if self.mirror else local_path(self.spec.batch.output)


@dataclass(frozen=True)
class Catalogue:
    """The models of the specs, and the specs that cannot be read."""

    models: tuple[KnownModel, ...]
    problems: tuple[str, ...]  #: messages about specs that cannot be read

    def get(self, model_name: str) -> KnownModel | None:
        """Return the model of that name."""
        return next((model for model in self.models if model.name == model_name), None)


class Catalogues:
    """Reads the specs again only when one of them changed."""

    def __init__(
        self, specs_dir: Path, locate: Locate = locate_by_spec, mirror_of: Callable[[str], Mirror] | None = None
    ) -> None:
        self.specs_dir = specs_dir
        self._locate = locate
        self._mirror_of = mirror_of
        self._lock = threading.Lock()
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._specs: tuple[list[ModelSpec], list[str]] = ([], [])

    def read(self) -> Catalogue:
        """Return the models as they are now."""
        with self._lock:
            seen = _fingerprint(self.specs_dir)
            if seen != self._seen:
                self._specs = _read_specs(self.specs_dir)
                self._seen = seen
            specs, problems = self._specs
        return Catalogue(tuple(self._model(spec) for spec in specs), tuple(problems))

    def _model(self, spec: ModelSpec) -> KnownModel:
        location = self._locate(spec)
        batches = spec.batches_by_name() if spec.batches else {}
        parts = [
            spec.model_copy(update={"batch": batch, "batches": {name: BatchSpec()}}) for name, batch in batches.items()
        ]
        known = (KnownModel(part, location, self._mirror(part)) for part in parts)
        return KnownModel(spec, location, self._mirror(spec), tuple(known))

    def _mirror(self, spec: ModelSpec) -> Mirror | None:
        output = spec.batch.output
        return self._mirror_of(output) if output and is_remote(output) and self._mirror_of else None


def _natural(name: str) -> list[tuple[float, str]]:
    """Return a key that sorts ``style=9`` before ``style=10``."""
    parts = re.split(r"([0-9]+(?:[.][0-9]+)?)", name)
    return [(float(part), "") if at % 2 else (-1.0, part) for at, part in enumerate(parts)]


def local_path(folder: str | None) -> Path | None:
    """Return a path or ``file:`` URL as a path; None for object stores."""
    if not folder:
        return None
    parts = urlsplit(folder)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in folder else Path(folder)


def _spec_paths(directory: Path) -> list[Path]:
    """Return the specs that have DAGs; none if neither the folder nor its index can be read."""
    with contextlib.suppress(SpecError):
        return spec_paths(directory)
    return []


def _fingerprint(directory: Path) -> tuple[tuple[str, int, int], ...]:
    found = []
    for path in (directory / INDEX_NAME, *_spec_paths(directory)):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((path.name, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _read_specs(directory: Path) -> tuple[list[ModelSpec], list[str]]:
    problems: list[object] = []
    with contextlib.suppress(SpecError):
        return load_indexed_specs(directory, on_problem=problems.append), list(map(str, problems))
    return [], []
