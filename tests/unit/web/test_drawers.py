"""Pictures are drawn in processes that cost no more than they may, whatever the file is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tendies_ops.web.pictures.drawers import Drawers
from tendies_ops.web.pictures.drawing import MAX_SCANS, NotAPictureError, count_scans, encode_safely
from tendies_ops.web.pictures.picture_cache import PictureCache
from tendies_ops.web.safety import BusyError
from tests.support.scan_bombs import scan_bomb


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.jpg"
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(path, progressive=True)
    return path


def test_a_process_draws_the_same_as_the_function(good: Path) -> None:
    drawers = Drawers(1)
    assert drawers.draw(good, side=100) == drawers.draw(good, side=100) == encode_safely(good, side=100)


def test_a_name_of_any_bytes_can_be_drawn(good: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\n\xff .jpg"))
    odd.write_bytes(good.read_bytes())
    assert Drawers(1).draw(odd, side=50)


def test_a_jpeg_with_more_scans_than_encoders_write_is_refused_without_being_decoded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jpg"
    path.write_bytes(scan_bomb(3000))
    with pytest.raises(NotAPictureError, match=f"more than {MAX_SCANS} scans"):
        Drawers(1).draw(path, side=320)


def test_scans_are_counted_in_the_first_image_and_not_in_what_is_packed_with_it(good: Path) -> None:
    data = good.read_bytes()
    assert count_scans(data, limit=MAX_SCANS) == data.count(b"\xff\xda") == 10
    assert count_scans(data + b"\xff\xda" * 500, limit=MAX_SCANS) == 10, "a film after the end of the image"
    note = b"\xff\xfe" + (1002).to_bytes(2, "big") + b"\xff\xda" * 500
    assert count_scans(data[:2] + note + data[2:], limit=MAX_SCANS) == 10, "a comment"
    assert count_scans(scan_bomb(3000, width=64, height=64), limit=MAX_SCANS) == MAX_SCANS + 1
    for cut in range(0, len(data), 97):
        assert count_scans(data[:cut], limit=MAX_SCANS) <= 10


def test_a_file_that_needs_more_memory_than_a_picture_may_is_refused(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    path.write_bytes(good.read_bytes())
    os.truncate(path, 3 << 30)  # holes take no room on the disk
    drawers = Drawers(1)
    with pytest.raises(NotAPictureError, match="memory"):
        drawers.draw(path, side=100)
    assert drawers.draw(good, side=100)


@contextmanager
def held_up(drawers: Drawers, path: Path) -> Iterator[threading.Thread]:
    """A picture that is never ready: the other end of a pipe that no one writes to."""
    os.mkfifo(path)

    def draw() -> None:
        with pytest.raises(BusyError):
            drawers.draw(path, side=100)

    thread = threading.Thread(target=draw)
    thread.start()
    yield thread
    thread.join(60)
    assert not thread.is_alive()


def drawing_processes() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [child for child in children if "tendies_ops.web.pictures.drawing" in child.cmdline()]


def test_a_process_that_does_not_answer_is_killed_and_the_next_picture_is_drawn(good: Path, tmp_path: Path) -> None:
    drawers = Drawers(1, longest_s=2.0)
    drawers.draw(good, side=20)
    (first,) = [child for child in drawing_processes() if child.create_time() > time.time() - 30][-1:]
    with held_up(drawers, tmp_path / "pipe.jpg"):
        pass
    assert not first.is_running()
    assert drawers.draw(good, side=100)


def test_the_processes_know_no_secret_of_the_api_server(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "a secret")
    drawers = Drawers(1)
    known = {process.pid for process in drawing_processes()}
    drawers.draw(good, side=20)
    (process,) = [process for process in drawing_processes() if process.pid not in known]
    assert set(process.environ()) - {"LC_CTYPE"} == {"PYTHONPATH", "LANG"}


def test_a_file_that_failed_is_not_tried_again_until_it_changes(good: Path, tmp_path: Path) -> None:
    tried: list[Path] = []

    def encode(path: Path, *, side: int) -> bytes:
        tried.append(path)
        return encode_safely(path, side=side)

    cache = PictureCache(tmp_path / "cache", max_bytes=1 << 20, encode=encode)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    for _ in range(5):
        with pytest.raises(NotAPictureError):
            cache.get(bad, side=100)
        with pytest.raises(NotAPictureError):
            cache.known(bad, side=100)
    assert tried == [bad]
    bad.write_bytes(good.read_bytes())
    assert cache.known(bad, side=100) is None
    assert cache.get(bad, side=100)
