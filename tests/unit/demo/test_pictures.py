from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from examples.demo.pictures import PHOTOGRAPHS, copy_photographs


def test_at_least_twelve_different_photographs_are_copied_and_open(tmp_path: Path) -> None:
    assert copy_photographs(tmp_path) == len(PHOTOGRAPHS) >= 12
    digests = set()
    for path in sorted(tmp_path.iterdir()):
        with Image.open(path) as image:
            image.load()
            assert min(image.size) >= 150
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == len(PHOTOGRAPHS)
