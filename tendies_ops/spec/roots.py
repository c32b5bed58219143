"""
The places that a run may name instead of those of its spec: checkpoint, input and output.

Three sources, added up: the spec's own folders, its ``allowed_*`` keys, and a setting of the deployment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tendies_ops.files.allowed_roots import require_below
from tendies_ops.spec.batch_spec import BatchSpec
from tendies_ops.spec.model import ModelSpec
from tendies_ops.spec.source import DIGEST_MARK, is_url
from tendies_ops.spec.templates import TRUSTED_NAMES, fixed_folder, variables_in

#: Environment variables of the deployment: folders and URLs, separated by commas.
CHECKPOINTS_VARIABLE = "TENDIES_ALLOWED_CHECKPOINTS"
INPUTS_VARIABLE = "TENDIES_ALLOWED_INPUTS"
OUTPUTS_VARIABLE = "TENDIES_ALLOWED_OUTPUTS"
#: Giving one of these means the folder that it is in.
_NAMES_IN_SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt")
#: What one of a checkpoint's files has after the prefix.
_SUFFIX = re.compile(r"\.(?:index|meta|data-\d+-of-\d+)$")


def checkpoint_roots(spec: ModelSpec, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the folders that a checkpoint given to a run must be in: of the spec, its watcher and the deployment."""
    own = [_folder_of(spec.source.checkpoint)]
    if spec.airflow.watch_dir is not None:
        own.append(str(spec.airflow.watch_dir))
    return (*own, *spec.source.allowed_checkpoints, *_of_deployment(CHECKPOINTS_VARIABLE, environment))


def require_allowed_checkpoint(spec: ModelSpec, checkpoint: str, roots: Sequence[str] | None = None) -> Path | str:
    """
    Return the path or URL to use for a checkpoint that a run was given; the spec's own is used as it is.

    Its files are checked as well: a checkpoint is a prefix or a folder, and each of its files may be a link.

    :param roots: folders that it must be in; None: :func:`checkpoint_roots`.
    :raises UsageError: it, or one of its files, is outside the ``roots``.
    """
    if checkpoint == str(spec.source.checkpoint):
        return spec.source.checkpoint
    allowed = checkpoint_roots(spec) if roots is None else tuple(roots)
    how = remedy("source.allowed_checkpoints", CHECKPOINTS_VARIABLE)
    place, mark, digest = checkpoint.partition(DIGEST_MARK)
    place = require_below(place, allowed, name="The checkpoint of this run", remedy=how)
    if is_url(place):
        return place + mark + digest
    path = Path(place)
    for file in _files_of(path):
        require_below(str(file), allowed, name=f"A file of the checkpoint {path}", remedy=how)
    return path


def input_roots(*batches: BatchSpec, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the folders and URLs that pictures may be in: those of some batches and of the deployment."""
    return _roots([(batch.input, batch.allowed_inputs) for batch in batches], INPUTS_VARIABLE, environment)


def output_roots(*batches: BatchSpec, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the folders and URLs that results may go to: those of some batches and of the deployment."""
    return _roots([(batch.output, batch.allowed_outputs) for batch in batches], OUTPUTS_VARIABLE, environment)


def _roots(
    places: Iterable[tuple[str | None, Sequence[str]]], variable: str, environment: Mapping[str, str]
) -> tuple[str, ...]:
    found = [root for own, more in places for root in (*_own(own or ""), *more)]
    return (*dict.fromkeys(found), *_of_deployment(variable, environment))


def _own(place: str) -> list[str]:
    """
    Return what the folder of a spec allows: of one with Jinja what precedes it, else the text, which is rendered.

    A folder that begins with what a run may choose, such as a param, allows nothing.
    """
    fixed = fixed_folder(place)
    if not fixed and not variables_in(place) <= TRUSTED_NAMES:
        return []
    return [fixed or place] if place else []


def remedy(key: str, variable: str) -> str:
    """Return the sentence of an error message on how to allow more places."""
    return f"Use a place below one of these, or have it added to {key} in the model spec or to {variable}."


def _folder_of(checkpoint: Path | str) -> str:
    """Return the folder or URL that new checkpoints of the same model are put into."""
    if is_url(checkpoint):
        return checkpoint.partition(DIGEST_MARK)[0].rstrip("/").rpartition("/")[0]
    return str(_local_folder_of(Path(checkpoint)))


def _local_folder_of(checkpoint: Path) -> Path:
    if checkpoint.is_dir() or checkpoint.parent == checkpoint.parent.parent:  # never the root of the file system
        return checkpoint
    is_there = checkpoint.exists() or Path(f"{checkpoint}.index").exists()
    return checkpoint.parent if is_there else checkpoint


def _files_of(checkpoint: Path) -> Iterator[Path]:
    """Yield every file that a loader may read: all of a folder, or those that share a prefix."""
    folder = checkpoint.parent if checkpoint.name in _NAMES_IN_SAVED_MODELS else checkpoint
    if folder.is_dir():
        yield from (Path(below, name) for below, dirs, names in os.walk(folder) for name in [*dirs, *names])
    elif checkpoint.parent.is_dir():
        prefix = _SUFFIX.sub("", checkpoint.name)
        yield from (path for path in checkpoint.parent.iterdir() if path.name.startswith(f"{prefix}."))


def _of_deployment(variable: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(variable, "").split(",") if part.strip())
