from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tendies_ops.web.pictures.drawing import NotAPictureError, encode_safely
from tendies_ops.web.pictures.picture_cache import PictureCache
from tendies_ops.web.safety import OutsideError, confine


def write(path: Path, size: tuple[int, int] = (400, 200), color: str = "red", **options: object) -> Path:
    Image.new("RGB", size, color).save(path, **options)  # type: ignore[arg-type]
    return path


def test_a_picture_is_made_small_and_keeps_its_shape(tmp_path: Path) -> None:
    data = encode_safely(write(tmp_path / "a.png"), side=100)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.size) == ("WEBP", (100, 50))


def test_a_picture_stands_upright_as_its_exif_says_and_loses_its_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    data = encode_safely(write(tmp_path / "a.jpg", exif=exif), side=100)
    assert b"where I live" not in data
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (50, 100)


def test_small_pictures_keep_every_pixel(tmp_path: Path) -> None:
    pixels = os.urandom(64 * 64 * 3)
    Image.frombytes("RGB", (64, 64), pixels).save(tmp_path / "a.png")
    with Image.open(io.BytesIO(encode_safely(tmp_path / "a.png", side=320))) as image:
        assert image.convert("RGB").tobytes() == pixels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F", "YCbCr"])
def test_every_mode_can_be_shown(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.tif" if mode in {"CMYK", "F", "YCbCr"} else "a.png")
    Image.new(mode, (20, 10)).save(path)
    assert encode_safely(path, side=320)


def test_too_large_a_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "a.png", (4, 4)).read_bytes())
    data[16:24] = struct.pack(">II", 9000, 8000)  # width and height in IHDR
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(NotAPictureError, match="9000 x 8000 is over the limit of 64 megapixels"):
        encode_safely(tmp_path / "a.png", side=100)


@pytest.mark.parametrize(
    "data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%!PS-Adobe", b"\x89PNG\r\n\x1a\n", b"GIF89a"]
)
def test_what_is_no_picture_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(NotAPictureError):
        encode_safely(tmp_path / "a.png", side=100)


def test_a_thumbnail_is_made_once_and_again_when_the_file_changes(tmp_path: Path) -> None:
    made: list[Path] = []

    def encode(path: Path, *, side: int) -> bytes:
        made.append(path)
        return encode_safely(path, side=side)

    cache = PictureCache(tmp_path / "cache", max_bytes=1 << 20, encode=encode)
    path = write(tmp_path / "a.png")
    first = cache.get(path, side=100)
    assert PictureCache(tmp_path / "cache", max_bytes=1 << 20, encode=encode).get(path, side=100) == first
    assert len(made) == 1
    write(path, (300, 300), "blue")
    assert cache.get(path, side=100) != first
    assert len(made) == 2


def test_a_thumbnail_that_many_ask_for_at_the_same_time_is_made_once(tmp_path: Path) -> None:
    made: list[Path] = []
    all_ask = threading.Barrier(8)

    def encode(path: Path, *, side: int) -> bytes:
        made.append(path)
        return encode_safely(path, side=side)

    cache = PictureCache(tmp_path / "cache", max_bytes=1 << 20, encode=encode)
    path = write(tmp_path / "a.png")

    def ask(_: int) -> bytes:
        all_ask.wait()
        return cache.get(path, side=100)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1
    assert made == [path]


def test_the_cache_forgets_its_oldest_when_it_is_full(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path / "cache", max_bytes=3000, encode=lambda *_, side: bytes(1000))
    for number in range(20):
        cache.get(write(tmp_path / f"{number}.png", (4, 4)), side=number)
    kept = sum(path.stat().st_size for path in (tmp_path / "cache").rglob("*.webp"))
    assert 0 < kept <= 3000


def test_a_cache_that_cannot_be_written_costs_speed_only(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert PictureCache(tmp_path / "cache", max_bytes=1000).get(write(tmp_path / "a.png"), side=50)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../b.png", "/etc/passwd", "a/../../b.png", "a\0b", "missing.png", "folder", "x" * 5000]
)
def test_only_regular_files_below_the_folder_come_out(name: str, tmp_path: Path) -> None:
    (tmp_path / "root" / "folder").mkdir(parents=True)
    (tmp_path / "b.png").write_bytes(b"outside")
    with pytest.raises(OutsideError):
        confine(tmp_path / "root", name)


def test_links_are_followed_only_inside(tmp_path: Path) -> None:
    root = tmp_path / "real"
    (root / "a").mkdir(parents=True)
    (root / "a" / "b.png").write_bytes(b"inside")
    (tmp_path / "out.png").write_bytes(b"outside")
    (root / "good").symlink_to(root / "a")
    (root / "bad.png").symlink_to(tmp_path / "out.png")
    (root / "loop").symlink_to(root / "loop")
    (tmp_path / "alias").symlink_to(root)
    assert confine(tmp_path / "alias", "good/b.png").read_bytes() == b"inside"
    for name in ("bad.png", "loop", "loop/x"):
        with pytest.raises(OutsideError):
            confine(root, name)
