from __future__ import annotations

import numpy as np
import pytest

from tendies_ops.export.optimize.pixel_gate import PixelPrice, objection, price_of, worst_of
from tendies_ops.spec import OptimizeSpec
from tests.support.candidates import to_png

LIMITS = OptimizeSpec()
_DIAGONAL = np.add.outer(np.arange(128), np.arange(128))
GRADIENT = np.repeat(_DIAGONAL[:, :, None], 3, axis=2)


def price(pixels: np.ndarray) -> PixelPrice:
    return price_of(to_png(GRADIENT.astype(np.uint8)), to_png(pixels.clip(0, 255).astype(np.uint8)))


def test_the_same_picture_costs_nothing() -> None:
    found = price(GRADIENT)

    assert (found.psnr_db, found.ssim, found.max_abs, found.seam, found.levels) == (None, 1.0, 0.0, 0.0, 1.0)
    assert objection(found, LIMITS) == ""


def test_rounding_that_no_eye_sees_passes() -> None:
    noise = np.random.default_rng(1).integers(-1, 2, GRADIENT.shape)

    assert objection(price(GRADIENT + noise), LIMITS) == ""


def test_strong_noise_fails_on_psnr_and_ssim() -> None:
    words = objection(price(GRADIENT + np.random.default_rng(1).normal(0, 20, GRADIENT.shape)), LIMITS)

    assert "PSNR" in words
    assert "below 35" in words
    assert "SSIM" in words


def test_a_seam_fails_where_psnr_alone_would_pass() -> None:
    seam = GRADIENT.copy()
    seam[:, 64:] += 3
    found = price(seam)

    assert found.psnr_db is not None
    assert found.psnr_db > 35
    assert found.seam == pytest.approx(3, abs=0.5)
    assert "seam" in objection(found, LIMITS)


def test_a_gradient_in_steps_is_banding_though_psnr_and_ssim_pass() -> None:
    found = price(np.floor(GRADIENT / 3) * 3 + 1)

    assert found.psnr_db is not None
    assert found.psnr_db > 35
    assert objection(found, LIMITS).startswith("banding: ")


def test_the_worst_of_several_pictures_counts_in_each_measure() -> None:
    good = PixelPrice(psnr_db=None, ssim=1.0, max_abs=0.0, seam=0.0, levels=1.0)
    bad = PixelPrice(psnr_db=40.0, ssim=0.99, max_abs=7.0, seam=0.2, levels=0.9)

    assert worst_of([good, bad]) == bad
    assert worst_of([good, good]).psnr_db is None


def test_not_a_number_does_not_pass() -> None:
    assert objection(PixelPrice(None, float("nan"), 0.0, 0.0, 1.0), LIMITS)
