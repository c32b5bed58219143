"""Proof over the wire: what a running Model Server answers to the golden images, against what the export promises."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.client import ModelServerClient
from tendies_ops.credentials import NO_CREDENTIALS, Credentials
from tendies_ops.errors import BadAnswerError, UsageError
from tendies_ops.export.parity import Unit, measure, require_parity
from tendies_ops.files import write_text_atomically
from tendies_ops.spec import MANIFEST_PATH, ModelSpec, read_manifest
from tendies_ops.spec.manifest import GoldenEntry, Manifest, ParityEntry


def require_server(spec: ModelSpec, server_url: str, credentials: Credentials = NO_CREDENTIALS) -> None:
    """
    Look, before anything is exported, whether there will be something to compare with.

    :raises UsageError: that is not a URL, or the model cannot be compared.
    :raises ModelServerError: the server does not answer, or does not serve the model.
    """
    if spec.contract.extra_inputs:
        raise UsageError(f"{spec.model_name} has inputs besides the picture; compare it with a server by hand.")
    with ModelServerClient(server_url, credentials=credentials) as client:
        client.serving_version(spec.model_name)


def compare_with_server(
    directory: Path, server_url: str, credentials: Credentials = NO_CREDENTIALS
) -> list[ParityEntry]:
    """
    Send every golden image to the model of that name, and add what was measured to the manifest.

    :func:`require_server` has looked whether that can be done.

    :param directory: an export that no other process sees yet.
    :raises ModelServerError: the server does not answer.
    :raises ParityError: it answers something else.
    """
    manifest = read_manifest(directory)
    entries: list[ParityEntry] = []
    with ModelServerClient(server_url, credentials=credentials) as client:
        for golden in manifest.golden:
            row = client.predict_rows(manifest.model_name, [(directory / golden.input).read_bytes()])[0]
            entries += _compare_row(directory, golden, row)
    require_parity(entries, tolerance=manifest.tolerance, tensor_tolerance=manifest.tensor_tolerance)
    _add_to_manifest(directory, manifest, entries)
    return entries


def _compare_row(directory: Path, golden: GoldenEntry, row: Any) -> list[ParityEntry]:
    answers = row if isinstance(row, dict) else dict.fromkeys(golden.outputs, row)
    entries = []
    for name, file in golden.outputs.items():
        if name not in answers:
            raise BadAnswerError(f"The server's model has no output `{name}`; it answered {', '.join(answers)}.")
        promised, got = _numbers((directory / file).read_bytes(), answers[name])
        if promised is not None and got is not None:
            unit: Unit = "absolute" if file.endswith(".json") else "of_255"
            entries.append(measure(golden.name, name, unit, got, promised, against="server"))
    return entries


def _numbers(promised: bytes, answer: Any) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Both as arrays; None for class names, which are compared with their scores."""
    if isinstance(answer, bytes):
        return _pixels(promised), _pixels(answer)
    values = np.asarray(json.loads(promised))
    if values.dtype.kind not in "iufb":
        return None, None
    return values.astype(np.float64), np.asarray(answer, np.float64)


def _pixels(data: bytes) -> NDArray[Any]:
    try:
        return np.asarray(Image.open(io.BytesIO(data)), np.float64)
    except OSError as error:
        raise BadAnswerError(f"The server answered {len(data)} bytes that are not a picture: {error}.") from error


def _add_to_manifest(directory: Path, manifest: Manifest, entries: list[ParityEntry]) -> None:
    longer = manifest.model_copy(update={"parity": (*manifest.parity, *entries)})
    write_text_atomically(directory / MANIFEST_PATH, longer.model_dump_json(indent=2) + "\n")
