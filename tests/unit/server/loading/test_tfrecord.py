from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.server.loading.tfrecord import read_records
from tendies_ops.server.status_codes import StatusError
from tests.support.warmup_records import frame_record


def test_tfrecords_are_read_and_damaged_ones_reported(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(frame_record(b"one") + frame_record(b""))
    assert list(read_records(path)) == [b"one", b""]
    path.write_bytes(frame_record(b"one")[:-1])
    with pytest.raises(StatusError, match="truncated record at 0"):
        list(read_records(path))
    path.write_bytes(b"x" * 40)
    with pytest.raises(StatusError, match="corrupted record at 0"):
        list(read_records(path))
