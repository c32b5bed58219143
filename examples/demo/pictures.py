"""The demo's pictures: photographs that ship inside the scikit-image package, and noise made from a seed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

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


#: Those that are painted in every style.
FOR_STYLES = ("chelsea.png", "coffee.png", "motorcycle_right.png", "rocket.jpg")


def copy_photographs(directory: Path, names: Sequence[str] = PHOTOGRAPHS) -> int:
    """
    Copy photographs into ``directory`` and return how many there are.

    :raises DevError: scikit-image is not installed or came without one of them.
    """
    spec = find_spec("skimage")  # found, not imported: the import takes a second
    if spec is None or spec.origin is None:
        raise DevError("scikit-image, which brings the demo's photographs, is not installed: run `make setup`.")
    source = Path(spec.origin).parent / "data"
    directory.mkdir(parents=True, exist_ok=True)
    if absent := [name for name in names if not (source / name).is_file()]:
        raise DevError(f"scikit-image came without its photographs {', '.join(absent)} (looked in {source}).")
    for name in names:
        shutil.copyfile(source / name, directory / name)
    return len(names)
