from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tendies_ops.compare import compare_images, compare_pixels, decode_pixels
from tendies_ops.errors import BadAnswerError
from tests.support.candidates import picture, to_png


def grey(value: int, *, size: tuple[int, int] = (32, 32)) -> bytes:
    return to_png(np.full((*size, 3), value, np.uint8))


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def test_equal_pictures_do_not_differ_at_all() -> None:
    difference = compare_images(picture(1), picture(1))

    assert (difference.max_abs, difference.mean_abs, difference.psnr_db, difference.ssim) == (0, 0, None, 1.0)
    assert (difference.color_shift, difference.edge_shift) == (0, 0)


def test_a_known_shift_of_grey_has_known_figures() -> None:
    difference = compare_images(grey(100), grey(110))

    assert (difference.max_abs, difference.mean_abs) == (10, 10)
    assert difference.psnr_db == pytest.approx(20 * np.log10(255 / 10))
    assert difference.color_shift == pytest.approx(10)
    assert difference.edge_shift == 0


def test_blur_keeps_the_colour_and_loses_edges() -> None:
    checks = np.kron(np.indices((8, 8)).sum(axis=0) % 2, np.ones((4, 4)))
    sharp = (np.repeat(checks[..., None], 3, axis=2) * 200).astype(np.uint8)
    flat = np.full_like(sharp, 100)

    difference = compare_images(to_png(sharp), to_png(flat))

    assert difference.color_shift == pytest.approx(0)
    assert difference.edge_shift > 20
    assert difference.ssim < 0.1


def waves(height: int, width: int, channels: int) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[:height, :width]
    layers = [(127 + 120 * np.sin(x / (3 + channel) + y / 7)).astype(np.uint8) for channel in range(channels)]
    return np.stack(layers, axis=2)


@pytest.mark.parametrize(
    ("size", "ssim", "psnr_db"),
    [
        ((40, 60, 3), 0.987475434, 26.350067358),
        ((5, 50, 3), 0.99320394, 28.939813391),
        ((6, 6, 4), 0.99357731, 26.660699843),
        ((3, 3, 3), 0.99378687, 28.385857257),
    ],
)
def test_ssim_and_psnr_are_the_figures_of_scikit_image(size: tuple[int, int, int], ssim: float, psnr_db: float) -> None:
    """Recorded from scikit-image 0.26: the default window, or the largest odd one that fits."""
    sharp = waves(*size)
    dull = (sharp.astype(int) * 9 // 10 + sharp[::-1].astype(int) // 20).astype(np.uint8)

    difference = compare_images(to_png(sharp), to_png(dull))

    assert difference.ssim == pytest.approx(ssim, abs=1e-6)
    assert difference.psnr_db == pytest.approx(psnr_db, abs=1e-6)


def test_ssim_of_unrelated_noise_is_that_of_scikit_image() -> None:
    assert compare_images(picture(1, size=40), picture(2, size=40)).ssim == pytest.approx(-0.0112005297, abs=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (3, 3), (4, 50)])
def test_pictures_too_small_for_the_usual_window_are_compared_too(size: tuple[int, int]) -> None:
    assert compare_images(grey(10, size=size), grey(10, size=size)).ssim == 1.0
    assert compare_images(grey(10, size=size), grey(200, size=size)).ssim < 0.5


def test_a_change_of_the_alpha_channel_is_seen() -> None:
    opaque = encoded(Image.new("RGBA", (8, 8), (10, 20, 30, 255)))
    clear = encoded(Image.new("RGBA", (8, 8), (10, 20, 30, 0)))

    assert compare_pixels(opaque, clear).max_abs == 255
    assert compare_pixels(opaque, encoded(Image.new("RGB", (8, 8), (10, 20, 30)))).max_abs == 0


def test_sixteen_bits_are_brought_to_the_same_scale() -> None:
    deep = encoded(Image.fromarray(np.full((8, 8), 128 * 257, np.uint16)))

    assert compare_pixels(deep, encoded(Image.new("L", (8, 8), 128))).max_abs == pytest.approx(0, abs=1e-6)


def test_other_sizes_are_reported_and_not_stretched() -> None:
    with pytest.raises(BadAnswerError, match="32 x 32 and 16 x 32"):
        compare_pixels(grey(1), grey(1, size=(32, 16)))


@pytest.mark.parametrize("file", [b"", b"no picture", picture(1)[:200], b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_whole_picture_is_reported(file: bytes) -> None:
    with pytest.raises(BadAnswerError, match="not a whole picture"):
        compare_pixels(picture(1), file)


def test_a_small_file_with_a_gigantic_picture_is_not_opened() -> None:
    header = b"IHDR" + (30000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + zlib.crc32(header).to_bytes(4, "big")

    with pytest.raises(BadAnswerError, match=r"not a whole picture|too many"):
        decode_pixels(bomb)
