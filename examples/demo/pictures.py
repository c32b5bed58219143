"""The demo's pictures: photographs that ship inside the scikit-image package, and noise made from a seed."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from tendies_ops.dev import DevError

#: scikit-image's data directory also holds drawings, masks and micrographs. These are photographs, each of its own
#: scene but for the motorcycle, which is a stereo pair.
PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
)


#: Three of them, reduced to this side in pixels, are what the exports of the photo style are proved with.
_GOLDEN = ("chelsea.png", "coffee.png", "astronaut.png")
_GOLDEN_SIDE = 192


def reduce_photographs(directory: Path) -> list[Path]:
    """
    Write three of the photographs into ``directory``, reduced, and return them; those that are there are kept.

    :raises DevError: scikit-image is not installed or came without one of them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    reduced = [directory / name for name in _GOLDEN]
    for path in reduced:
        if not path.exists():
            with Image.open(_photograph(path.name)) as image:
                image.thumbnail((_GOLDEN_SIDE, _GOLDEN_SIDE))
                image.convert("RGB").save(path)
    return reduced


def copy_photographs(directory: Path) -> int:
    """
    Copy the photographs into ``directory`` and return how many there are.

    :raises DevError: scikit-image is not installed or came without one of them.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name in PHOTOGRAPHS:
        shutil.copyfile(_photograph(name), directory / name)
    return len(PHOTOGRAPHS)


def _photograph(name: str) -> Path:
    spec = find_spec("skimage")  # found, not imported: the import takes a second
    if spec is None or spec.origin is None:
        raise DevError("scikit-image, which brings the demo's photographs, is not installed: run `make setup`.")
    path = Path(spec.origin).parent / "data" / name
    if not path.is_file():
        raise DevError(f"scikit-image came without its photograph {name} (looked for {path}).")
    return path
