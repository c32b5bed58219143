"""Formats that need a plugin: processed where it is installed, and named with its package where it is not."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.plugins import jpeg_xl_size, load_plugin
from tendies_ops.inference.picture.prepare import Prepared, prepare
from tests.support.sample_pictures import decoded

#: Start of a HEIC file, and a JPEG XL codestream of 60 x 40: sides up to 512, no ratio.
HEIC = b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heic" + bytes(64)
JPEG_XL = b"\xff\x0a" + (0 | 0 << 1 | 39 << 3 | 0 << 12 | 0 << 15 | 59 << 17).to_bytes(8, "little") + bytes(64)


def prepared(data: bytes, **changes: object) -> Prepared:
    return prepare(data, BatchOptions(input="in", output="out", model_name="m", servers=("http://h:1",), **changes))


def saved(pixels: np.ndarray, name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, name, **options)
    return stream.getvalue()


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the plugins, installed or not."""
    for name in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, name, None)
    load_plugin.cache_clear()
    yield
    load_plugin.cache_clear()


@pytest.mark.usefixtures("no_plugins")
@pytest.mark.parametrize(("data", "name"), [(HEIC, "HEIF"), (JPEG_XL, "JPEG XL")])
def test_without_its_plugin_a_picture_is_unsupported_and_the_package_is_named(data: bytes, name: str) -> None:
    with pytest.raises(PictureError, match=rf"{name}.*airflow-provider-tendies\[heif\]") as refused:
        prepared(data)
    assert refused.value.kind == "unsupported"


def test_the_size_of_a_jpeg_xl_file_is_read_from_its_header_bare_and_in_boxes() -> None:
    box = b"\x00\x00\x00\x0cJXL \r\n\x87\n" + (8 + len(JPEG_XL)).to_bytes(4, "big") + b"jxlc" + JPEG_XL
    assert jpeg_xl_size(JPEG_XL) == (60, 40)
    assert jpeg_xl_size(box) == (60, 40)
    assert jpeg_xl_size(JPEG_XL[:5]) is None
    assert jpeg_xl_size(box[:20]) is None


def test_a_jpeg_xl_file_of_too_many_pixels_is_refused_before_its_plugin_sees_it() -> None:
    huge = b"\xff\x0a" + (0 | 3 << 1 | (1 << 29) << 3 | 1 << 33).to_bytes(8, "little") + bytes(64)
    with pytest.raises(PictureError) as refused:
        prepared(huge)
    assert refused.value.kind == "too_large"


def test_a_heic_photograph_is_processed_upright_with_its_plugin() -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    pixels = np.full((48, 64, 3), (200, 80, 20), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    shown = np.asarray(decoded(prepared(saved(pixels, "HEIF", quality=100, exif=exif.tobytes())).parts[0]))
    assert shown.shape[:2] in ((64, 48), (48, 64))
    assert np.abs(shown.astype(int) - (200, 80, 20)).max() < 12
    with pytest.raises(PictureError, match="megapixels"):
        prepared(saved(np.zeros((1100, 1000, 3), np.uint8), "HEIF"), max_megapixels=1.0)


def test_a_jpeg_xl_picture_is_processed_with_its_plugin() -> None:
    pytest.importorskip("pillow_jxl")
    for shape in ((40, 60, 3), (333, 501, 3), (64, 64, 3)):
        pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
        data = saved(pixels, "JXL", lossless=True)
        assert jpeg_xl_size(data) == (shape[1], shape[0])
        assert np.array_equal(np.asarray(decoded(prepared(data).parts[0])), pixels)
    with pytest.raises(PictureError) as refused:
        prepared(data[: len(data) // 2])
    assert refused.value.kind == "damaged"
