"""Ten ways in which a candidate can be broken. Each manifest agrees with its files, so that only a server can tell."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.support.candidates import make_candidate, write_manifest


def truncated_variables(directory: Path) -> Path:
    make_candidate(directory, by=41)
    (directory / "variables" / "variables.index").unlink()
    write_manifest(directory)
    return directory


def missing_saved_model_pb(directory: Path) -> Path:
    make_candidate(directory, by=42)
    (directory / "saved_model.pb").unlink()
    write_manifest(directory)
    return directory


def wrong_signature(directory: Path) -> Path:
    return make_candidate(directory, by=43, answer_error="instances is a plain list, but expecting list of objects")


def wrong_pixels(directory: Path) -> Path:
    return make_candidate(directory, by=44, promised_by=54)


def not_a_number(directory: Path) -> Path:
    return make_candidate(directory, by=45, nan=True)


def unknown_op(directory: Path) -> Path:
    return make_candidate(directory, by=46, error="NOT_FOUND: Op type not registered 'Swirl' in binary running on host")


def slow_load(directory: Path) -> Path:
    return make_candidate(directory, by=47, load_s=30.0)


def crashes_the_loader(directory: Path) -> Path:
    return make_candidate(directory, by=48, crash=True)


def wrong_shape(directory: Path) -> Path:
    return make_candidate(directory, by=49, crop=True)


def no_variables(directory: Path) -> Path:
    """The trap: Model Server loads it, unloads the good one, and every predict fails."""
    make_candidate(directory, by=50)
    shutil.rmtree(directory / "variables")
    write_manifest(directory)
    return directory


KINDS: dict[str, Callable[[Path], Path]] = {
    make.__name__: make
    for make in (
        truncated_variables,
        missing_saved_model_pb,
        wrong_signature,
        wrong_pixels,
        not_a_number,
        unknown_op,
        slow_load,
        crashes_the_loader,
        wrong_shape,
        no_variables,
    )
}
#: What answers wrongly once it is live: only a rehearsal keeps it from those who use the model.
LIVE_AND_WRONG = frozenset({"wrong_signature", "wrong_pixels", "not_a_number", "wrong_shape", "no_variables"})
