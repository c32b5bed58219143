"""The folders of a batch: whether the pictures can be listed and results written."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from tendies_ops.doctor.finding import Finding, ok, problem, warning
from tendies_ops.errors import TendiesError
from tendies_ops.files.object_store import ObjectStore, is_remote
from tendies_ops.spec.templates import is_template

_LOOKED_AT = 1000  #: entries of an input folder


def look_at_folders(input_folder: str, output_folder: str) -> Iterator[Finding]:
    """Check one batch's folders; those with a template differ from run to run and are left out."""
    templates = [folder for folder in (input_folder, output_folder) if is_template(folder)]
    for folder in templates:
        yield ok(folder, "is filled in by each run; not checked")
    if input_folder and input_folder not in templates:
        yield _remote(input_folder) if is_remote(input_folder) else _input(Path(input_folder))
    if output_folder and output_folder not in templates:
        yield _remote(output_folder) if is_remote(output_folder) else _output(Path(output_folder))


def _remote(url: str) -> Finding:
    try:
        store = ObjectStore(url)
        try:
            store.is_empty()
        finally:
            store.close()
    except TendiesError as error:
        return problem(url, str(error), "Check bucket, login and endpoint.")
    return ok(url, "the store answers")


def _input(folder: Path) -> Finding:
    try:
        with os.scandir(folder) as entries:
            found = sum(1 for _, _ in zip(range(_LOOKED_AT), entries, strict=False))
    except OSError as error:
        return problem(folder, f"the input cannot be read: {error.strerror}", "Create it, mount it, or fix its rights.")
    return (
        ok(folder, "the input can be read") if found else warning(folder, "the input is empty", "Put pictures there.")
    )


def _output(folder: Path) -> Finding:
    """Write where a batch would write; if a batch would create the folder, check the one above it."""
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    scratch = existing / f".tendies-doctor-{uuid.uuid4().hex}"
    try:
        scratch.write_bytes(b"tendies")
        scratch.unlink()
    except OSError as error:
        return problem(folder, f"results cannot be written: {error.strerror}", f"Let user {os.getuid()} write there.")
    return ok(folder, "results can be written")
