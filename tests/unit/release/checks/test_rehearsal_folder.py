from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.errors import LoadFailedError
from tendies_ops.publish.layout import STAGING_PREFIX, remove_leftovers
from tendies_ops.release import rehearse
from tests.support.candidates import make_candidate

_LIST_AND_DIE = "import os, sys; print(sorted(os.listdir(sys.argv[1]))); sys.exit(3)"


def test_what_a_killed_rehearsal_leaves_lies_where_the_next_release_clears_up(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    staged = make_candidate(base / f"{STAGING_PREFIX}abc")

    with pytest.raises(LoadFailedError, match=rf"'{STAGING_PREFIX}abc', '{STAGING_PREFIX}rehearsal-"):
        rehearse(staged, program=("-c", _LIST_AND_DIE, str(base)))

    (base / f"{STAGING_PREFIX}rehearsal-killed").mkdir()
    assert remove_leftovers(base) == 2
    assert [path.name for path in base.iterdir()] == [".tendies"]
