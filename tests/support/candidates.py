"""SavedModel directories as the exporter makes them, for a server that reads ``fake.json`` instead of a graph."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tendies_ops.files import digest_of_digests
from tendies_ops.spec.manifest import MANIFEST_PATH, digest_version_files

MODEL_NAME = "stripes"


#: A SavedModel without any graph (``saved_model_schema_version: 1``): nothing in it does more than compute.
GRAPH = b"\x08\x01"


def picture(seed: int, *, size: int = 16) -> bytes:
    """A small PNG file, every pixel known by its seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return to_png(pixels)


def to_png(pixels: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def shift(file: bytes, by: int) -> bytes:
    """What the model of :func:`make_candidate` computes: every value moved by ``by``, around the clock."""
    with Image.open(io.BytesIO(file)) as image:
        pixels = np.asarray(image.convert("RGB"))
    return to_png((pixels.astype(np.int16) + by).astype(np.uint8))


def answer_to(file: bytes, behaviour: Mapping[str, Any]) -> bytes:
    """What a version with this ``fake.json`` answers."""
    if behaviour.get("nan"):  # a NaN that is clipped and cast is a black pixel
        return to_png(np.zeros((16, 16, 3), np.uint8))
    answer = shift(file, int(behaviour["by"]))
    if not behaviour.get("crop"):
        return answer
    with Image.open(io.BytesIO(answer)) as image:
        return to_png(np.asarray(image)[:-1])


def make_candidate(
    directory: Path,
    *,
    by: int = 10,
    promised_by: int | None = None,
    model_name: str = MODEL_NAME,
    size_bytes: int = 1000,
    step: int = 100,
    **behaviour: Any,
) -> Path:
    """
    Make a version that shifts every pixel.

    :param by: what it computes when it is served.
    :param promised_by: what its manifest promises; another number is a model with wrong pixels.
    :param behaviour: further words of ``fake.json``: ``load_s``, ``error``, ``crash``, ``answer_error``,
        ``answer_s``, ``nan``, ``crop``.
    """
    golden = directory / "assets.extra" / "tendies_golden"
    golden.mkdir(parents=True)
    (directory / "variables").mkdir()
    (directory / "saved_model.pb").write_bytes(GRAPH)
    rng = np.random.default_rng(by)
    (directory / "variables" / "variables.index").write_bytes(b"index")
    (directory / "variables" / "variables.data-00000-of-00001").write_bytes(rng.bytes(size_bytes))
    (directory / "fake.json").write_text(json.dumps({"by": by, **behaviour}), encoding="utf-8")
    entries = []
    for seed in range(2):
        source = picture(seed)
        (golden / f"{seed}.in.png").write_bytes(source)
        (golden / f"{seed}.out.png").write_bytes(shift(source, by if promised_by is None else promised_by))
        entries.append(
            {
                "name": str(seed),
                "input": f"assets.extra/tendies_golden/{seed}.in.png",
                "outputs": {"output_bytes": f"assets.extra/tendies_golden/{seed}.out.png"},
            }
        )
    write_manifest(directory, model_name=model_name, golden=entries, step=step)
    return directory


def write_manifest(
    directory: Path, *, model_name: str = MODEL_NAME, golden: list[dict[str, Any]] | None = None, step: int = 100
) -> None:
    """Write, or write again after the files were changed: then the broken state is what the manifest promises."""
    path = directory / MANIFEST_PATH
    if golden is None:
        golden = json.loads(path.read_text(encoding="utf-8"))["golden"]
    digests = digest_version_files(directory)
    manifest = {
        "model_name": model_name,
        "model_digest": digest_of_digests(digests),
        "files": {name: {"sha256": d.sha256, "size_bytes": d.size_bytes} for name, d in digests.items()},
        "source": {"kind": "tf2_checkpoint", "checkpoint": f"train/ckpt-{step}", "digest": "sha256:0", "step": step},
        "signatures": {},
        "contract": {},
        "golden": golden,
        "parity": [
            {"golden": "0", "output": "output_bytes", "unit": "of_255", "max_abs": 0, "mean_abs": 0, "psnr_db": None}
        ],
        "created_at": "2026-11-22T16:00:00+00:00",
    }
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(manifest), encoding="utf-8")
