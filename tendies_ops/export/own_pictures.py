"""
A few pictures of the batch as golden images: what an export is proved on is then what its model is for.

They are chosen once, reduced, and kept in the model base path. Golden images are part of a version's content, so taking
them from the folder each time would make another version of the same checkpoint whenever the folder changes.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tendies_ops.errors import ExportError, SpecError
from tendies_ops.export.golden import GoldenImage
from tendies_ops.export.staging import put_in_place, staging_next_to
from tendies_ops.publish.layout import state_directory
from tendies_ops.spec import InputContract, ModelSpec

log = logging.getLogger(__name__)

_FOLDER = "golden"
_KEPT = 3
_MOST_CERTIFIED = 40
_SIDE = 256  #: of the kept copies, in pixels
_MOST_LISTED, _MOST_OPENED = 5000, 24
_SUFFIXES = (".jpg", ".jpeg", ".png")
_MOST_BYTES, _MOST_PIXELS = 32 << 20, 40_000_000


def own_pictures(spec: ModelSpec, model_base_path: Path) -> list[Path]:
    """
    Return the kept pictures of a model; choose them first if nothing is kept and its batch has a local folder.

    :return: PNG files; empty if the spec has golden images of its own, there is no base path yet, or nothing to choose
        from.
    """
    if spec.golden or not model_base_path.is_dir():
        return []
    try:
        kept = state_directory(model_base_path) / _FOLDER
        if not kept.is_dir() and (folder := _folder_of(spec)):
            _keep(_choose(folder, spec.contract.input), kept)
    except (OSError, ExportError) as error:
        log.warning("No picture of the batch becomes a golden image of %s: %s", spec.model_name, error)
        return []
    return sorted(kept.glob("*.png"))


def photographs(spec: ModelSpec) -> list[GoldenImage]:
    """
    Return reduced copies of the photographs that an optimised version is certified on, evenly picked from the folder.

    :raises SpecError: the spec names a folder that has none.
    """
    wanted = spec.optimize.photos
    folder = wanted or _folder_of(spec)
    found = sorted(_pictures_below(folder)) if folder is not None else []
    count = min(len(found), _MOST_CERTIFIED)
    picked = [found[number * len(found) // count] for number in range(count)]
    copies = {path: copy for path in picked if (copy := _reduced(path, spec.contract.input)) is not None}
    if wanted is not None and not copies:
        raise SpecError(f"optimize.photos is {wanted}, which holds no readable PNG or JPEG: name another folder.")
    return [
        GoldenImage(path.relative_to(folder).as_posix(), path.with_suffix(".png").name, _as_png(image))
        for path, image in copies.items()
        if folder is not None
    ]


def _as_png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _pictures_below(folder: Path) -> Iterator[Path]:
    yield from (path for path in islice(_files(folder), _MOST_LISTED) if path.suffix.lower() in _SUFFIXES)


def _folder_of(spec: ModelSpec) -> Path | None:
    places = (batch.fixed("input") for batch in spec.batches_by_name().values())
    return next((Path(place) for place in places if place and Path(place).is_dir()), None)


def _choose(folder: Path, contract: InputContract) -> list[tuple[str, Image.Image]]:
    """Choose pictures that differ in colour and light."""
    found = sorted(_pictures_below(folder))
    opened = [
        (path.stem, image)
        for path in found[:: max(1, len(found) // _MOST_OPENED)][:_MOST_OPENED]
        if (image := _reduced(path, contract)) is not None
    ]
    looks = [_look(image) for _, image in opened]
    return [opened[index] for index in _far_apart(looks)]


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _reduced(path: Path, contract: InputContract) -> Image.Image | None:
    """Return a small upright copy; None for a file that cannot be read cheaply, whatever the reason."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            if (
                image.width * image.height > _MOST_PIXELS
                or image.info.get("progressive")
                or image.info.get("interlace")
            ):
                return None
            image.draft("RGB", (_SIDE, _SIDE))
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if contract.size is not None and contract.resize == "exact":
        return ImageOps.fit(upright, (contract.size.width, contract.size.height))
    upright.thumbnail((_SIDE, _SIDE))
    return upright


def _look(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image.resize((4, 4), Image.Resampling.BOX), np.float32).ravel()


def _far_apart(looks: Sequence[NDArray[np.float32]]) -> list[int]:
    """Return the first index, and then each time the one that is farthest from all before."""
    chosen = [0] if looks else []
    while 0 < len(chosen) < min(_KEPT, len(looks)):
        distances = [min(float(np.abs(look - looks[index]).mean()) for index in chosen) for look in looks]
        farthest = int(np.argmax(distances))
        if distances[farthest] == 0:
            break
        chosen.append(farthest)
    return chosen


def _keep(pictures: Sequence[tuple[str, Image.Image]], kept: Path) -> None:
    """Write all by one rename: a folder that exists is complete."""
    if not pictures:
        return
    with staging_next_to(kept) as staging:
        for number, (name, image) in enumerate(pictures):
            image.save(staging / f"{number}-{name}.png")
        put_in_place(staging, kept)
