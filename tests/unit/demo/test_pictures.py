from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from examples.demo.pictures import PHOTOGRAPHS, copy_photographs, reduce_photographs


def test_at_least_twelve_different_photographs_are_copied_and_open(tmp_path: Path) -> None:
    assert copy_photographs(tmp_path) == len(PHOTOGRAPHS) >= 12
    digests = set()
    for path in sorted(tmp_path.iterdir()):
        with Image.open(path) as image:
            image.load()
            assert min(image.size) >= 150
        digests.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(digests) == len(PHOTOGRAPHS)


def test_the_golden_photographs_are_small_and_one_that_was_replaced_is_kept(tmp_path: Path) -> None:
    golden = reduce_photographs(tmp_path / "golden")
    for path in golden:
        with Image.open(path) as image:
            assert max(image.size) == 192
    golden[0].write_bytes(b"my own")
    assert reduce_photographs(tmp_path / "golden") == golden
    assert golden[0].read_bytes() == b"my own"
