"""
Try: one picture through the version in service, and its result for the page that asked.

A try is a folder of the cache with the picture, the result and what was asked. The newest ones are kept for an hour.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from tendies_ops.errors import TendiesError
from tendies_ops.inference.ledger.ledger import LEDGER_NAME, STATE_FOLDER, exact_path, read_record
from tendies_ops.inference.options import DIGESTED
from tendies_ops.web.limits.children import start_child
from tendies_ops.web.safety import confine
from tendies_ops.web.sources import number_answers
from tendies_ops.web.sources.known import KnownModel

log = logging.getLogger(__name__)
LONGEST_S = 30.0  #: of one try
MAX_PICTURE_BYTES = 16 << 20
_KEPT, _KEPT_S = 20, 3600.0  # tries of a model
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
_TOKEN = re.compile(r"[0-9a-f]{32}")
_FACTS = "try.json"


class TryError(Exception):
    """A try that gave no result; the text says why, to the user who asked."""


@dataclass(frozen=True)
class Asked:
    """One try, as it was asked for."""

    picture: str  #: name for people
    version: int
    parameters: Mapping[str, Any]
    who: str


@dataclass(frozen=True)
class Tried:
    """The result of a try."""

    token: str
    directory: Path
    asked: Asked
    seconds: float
    record: Mapping[str, Any]  #: of the ledger

    @property
    def has_picture(self) -> bool:
        """Return whether its result is a picture: not numbers alone."""
        return not str(self.record["output"]).endswith(number_answers.SUFFIX)

    @property
    def numbers(self) -> str:
        """Return the answer in numbers, if there is one next to or instead of a picture; else empty."""
        result = PurePosixPath(exact_path(dict(self.record), "output") or "").with_suffix(number_answers.SUFFIX)
        return number_answers.result_numbers(self.directory / "out" / result)

    def side(self, side: str) -> Path:
        """
        Return the file of the picture or of its result.

        :raises OutsideError: it is not there.
        """
        name, folder = ("input", "in") if side == "before" else ("output", "out")
        return confine(self.directory / folder, exact_path(dict(self.record), name) or "")


class Tries:
    """Makes tries and keeps the newest ones. Processes may share the folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()

    def make(self, model: KnownModel, asked: Asked, picture: bytes) -> Tried:
        """
        Send a picture to the servers of a model.

        :raises TryError: the picture, a value or the servers are at fault.
        """
        self._tidy(model.name)
        token = uuid.uuid4().hex
        directory = self._directory / model.name / token
        began_s = time.monotonic()
        log.info("%s tries %r with version %d of %s.", asked.who, asked.picture, asked.version, model.name)
        suffix = PurePosixPath(asked.picture).suffix.lower()
        for folder in ("in", "out", "base"):
            (directory / folder).mkdir(parents=True)
        (directory / "in" / f"picture{suffix if suffix in _SUFFIXES else '.jpg'}").write_bytes(picture)
        try:
            problem = _ask(_options(model, asked, directory))
        except TendiesError as error:  # a file of the login
            problem = str(error)
        facts = {"asked": asdict(asked), "seconds": time.monotonic() - began_s}
        (directory / _FACTS).write_bytes(orjson.dumps(facts))
        tried = self.find(model.name, token)
        if tried is None or tried.record["outcome"] != "done":
            shutil.rmtree(directory, ignore_errors=True)
            raise TryError(problem or (str(tried.record["reason"]) if tried else "It ended without an answer."))
        return tried

    def find(self, model_name: str, token: str) -> Tried | None:
        """Return a try that is still kept."""
        if not _TOKEN.fullmatch(token):
            return None
        directory = self._directory / model_name / token
        try:
            facts = orjson.loads((directory / _FACTS).read_bytes())
            ledger = (directory / "out" / STATE_FOLDER / LEDGER_NAME).read_bytes()
        except OSError:
            return None
        record = read_record(ledger.splitlines()[-1]) if ledger else None
        return Tried(token, directory, Asked(**facts["asked"]), facts["seconds"], record) if record else None

    def _tidy(self, model_name: str) -> None:
        """Remove tries that are old or too many, but none that may still be at work."""
        found = []
        for directory in (self._directory / model_name).glob("*"):
            with suppress(FileNotFoundError):  # another process tidies up as well
                found.append((directory.stat().st_mtime, directory))
        now_s = time.time()
        for at, (changed_s, directory) in enumerate(sorted(found, reverse=True)):
            age_s = now_s - changed_s
            if age_s > _KEPT_S or (at >= _KEPT and age_s > 2 * LONGEST_S):
                shutil.rmtree(directory, ignore_errors=True)


def _options(model: KnownModel, asked: Asked, directory: Path) -> dict[str, Any]:
    """Return the options of a batch of one picture: what the spec's batches do with a picture, and no lease."""
    location, batch = model.location, model.parts[0].spec.batch if model.parts else model.spec.batch
    settings = {name: batch.fixed(name) for name in DIGESTED - {"parameters", "parameters_by_path"}}
    if location.model_base_path is not None:
        # With a base path of its own it has the manifest, and writes nothing where Model Server reads.
        version_dir = location.model_base_path.absolute() / str(asked.version)
        (directory / "base" / str(asked.version)).symlink_to(version_dir, target_is_directory=True)
    credentials = location.credentials.with_files(location.login)
    return {
        **settings,
        "input": str(directory / "in"),
        "output": str(directory / "out"),
        "model_name": model.name,
        "servers": location.servers,
        "version": asked.version,
        "model_base_path": str(directory / "base") if location.model_base_path else None,
        "parameters": asked.parameters,
        "timeout_s": LONGEST_S / 2,
        "sick_deadline_s": LONGEST_S / 6,
        "started_by": f"Try by {asked.who}",
        "credentials": {
            **asdict(credentials),
            "origins": sorted(credentials.origins) if credentials.origins is not None else None,
        },
    }


def _ask(options: Mapping[str, Any]) -> str:
    """Run the batch in a process of its own, and return what is wrong, if anything is."""
    try:
        process = start_child("tendies_ops.web.run.try_child", answers=True)
    except OSError:
        return "No process can be started now. Try again in some seconds."
    try:
        problem, _ = process.communicate(json.dumps(options).encode(), timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return f"There was no result within {LONGEST_S:g} s."
    return problem.decode("utf-8", "replace")
