"""Pictures through the plugins, for an environment that has them; run by ``test_plugins.py``."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.picture.plugins import jpeg_xl_size, load_plugin
from tests.support.sample_pictures import decoded
from tests.unit.inference.picture.test_plugins import prepared


def saved(pixels: np.ndarray, name: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, name, **options)
    return stream.getvalue()


def test_a_heic_photograph_is_processed_upright_with_its_plugin() -> None:
    assert load_plugin("HEIF") == "HEIF"
    pixels = np.full((48, 64, 3), (200, 80, 20), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    shown = np.asarray(decoded(prepared(saved(pixels, "HEIF", quality=100, exif=exif.tobytes())).parts[0]))
    assert shown.shape[:2] in ((64, 48), (48, 64))
    assert np.abs(shown.astype(int) - (200, 80, 20)).max() < 12
    with pytest.raises(PictureError, match="megapixels"):
        prepared(saved(np.zeros((1100, 1000, 3), np.uint8), "HEIF"), max_megapixels=1.0)


def test_a_jpeg_xl_picture_is_processed_with_its_plugin() -> None:
    assert load_plugin("JPEG XL") == "JXL"
    for shape in ((40, 60, 3), (333, 501, 3), (64, 64, 3)):
        pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
        data = saved(pixels, "JXL", lossless=True)
        assert jpeg_xl_size(data) == (shape[1], shape[0])
        assert np.array_equal(np.asarray(decoded(prepared(data).parts[0])), pixels)
    with pytest.raises(PictureError) as refused:
        prepared(data[: len(data) // 2])
    assert refused.value.kind == "damaged"
