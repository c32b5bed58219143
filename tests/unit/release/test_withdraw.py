from __future__ import annotations

import shutil
from pathlib import Path

from tendies_ops.release.withdraw import whole_versions_below
from tests.support.candidates import make_candidate


def test_a_version_to_go_back_to_is_found_before_the_ones_below_it_are_read(tmp_path: Path) -> None:
    for version in (1, 2, 4):
        make_candidate(tmp_path / str(version))
    (make_candidate(tmp_path / "3") / "saved_model.pb").write_bytes(b"damaged")

    found = whole_versions_below(tmp_path, 4)

    assert next(found) == 2
    shutil.rmtree(tmp_path / "1")
    assert list(found) == []
