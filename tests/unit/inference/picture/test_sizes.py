"""Fit, pad, crop, tile: what the model sees, and what comes back."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tendies_ops.inference.picture.sizes import Sized, SizeRule, bring_to_size
from tendies_ops.inference.picture.tiles import blend_tiles, cut_tiles, plan_tiles, ramp
from tests.support.sample_pictures import noise


def gradient(width: int, height: int) -> Image.Image:
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, (x + y) / 2], -1).round().astype(np.uint8))


def photograph() -> Image.Image:
    skimage_data = pytest.importorskip("skimage.data")
    return Image.fromarray(skimage_data.astronaut()).resize((400, 300))


def rule(policy: str, size: tuple[int, int] = (64, 64), overlap: int = 16, *, restore: bool = False) -> SizeRule:
    return SizeRule(size, policy, overlap, restore)


def difference(a: Image.Image, b: Image.Image) -> int:
    assert a.size == b.size
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).max())


@pytest.mark.parametrize("policy", ["fit", "pad", "crop", "tile"])
@pytest.mark.parametrize("own", [(200, 100), (100, 200), (40, 30), (1, 1), (64, 200), (63, 65), (500, 3)])
def test_every_part_has_the_models_size(policy: str, own: tuple[int, int]) -> None:
    sized = bring_to_size(noise(1, own), rule(policy))
    assert {part.size for part in sized.parts} == {(64, 64)}


@pytest.mark.parametrize("policy", ["fit", "pad", "crop", "tile"])
def test_the_right_size_is_left_alone(policy: str) -> None:
    image = noise(1, (64, 64))
    assert bring_to_size(image, rule(policy)).parts == [image]


@pytest.mark.parametrize(
    ("policy", "restore", "size"),
    [
        ("fit", False, (64, 32)),
        ("fit", True, (200, 100)),
        ("pad", False, (64, 32)),
        ("pad", True, (200, 100)),
        ("crop", False, (64, 64)),
        ("crop", True, (100, 100)),
        ("tile", False, (200, 100)),
    ],
)
@pytest.mark.parametrize("scale", [1, 2])
def test_what_comes_back_has_the_pictures_proportions(
    policy: str, restore: bool, size: tuple[int, int], scale: int
) -> None:
    sized = bring_to_size(gradient(200, 100), rule(policy, restore=restore))
    answers = [part.resize((64 * scale, 64 * scale)) for part in sized.parts]
    assert sized.restore(answers).size == (size[0] * scale, size[1] * scale)


@pytest.mark.parametrize("policy", ["fit", "pad"])
def test_the_whole_picture_is_seen_undistorted(policy: str) -> None:
    image = gradient(200, 100)
    sized = bring_to_size(image, rule(policy, restore=True))
    assert difference(sized.restore(sized.parts), image) <= 8


def test_crop_takes_the_middle() -> None:
    image = Image.new("RGB", (300, 100), (255, 0, 0))
    image.paste((0, 255, 0), (100, 0, 200, 100))
    (part,) = bring_to_size(image, rule("crop")).parts
    assert np.asarray(part)[2:-2, 2:-2].reshape(-1, 3).min(axis=0)[1] > 250


def test_padding_mirrors_and_is_cut_off_again() -> None:
    image = gradient(64, 32)
    (part,) = (sized := bring_to_size(image, rule("pad"))).parts
    assert np.array_equal(np.asarray(part)[15], np.asarray(image)[0])
    assert difference(sized.restore([part]), image) == 0


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.tuples(st.integers(8, 64), st.integers(8, 64)),
    st.integers(0, 70),
    st.sampled_from(["L", "RGB"]),
)
def test_tiles_that_are_not_changed_give_the_picture_back(
    size: tuple[int, int], tile: tuple[int, int], overlap: int, mode: str
) -> None:
    image = noise(1, size, mode)
    sized = bring_to_size(image, SizeRule(tile, "tile", overlap))
    assert difference(sized.restore(sized.parts), image) == 0


@given(st.integers(1, 2000), st.integers(1, 200), st.integers(0, 250))
def test_neighbours_overlap_as_asked_and_cover_everything(length: int, tile: int, overlap: int) -> None:
    plan = plan_tiles((max(length, tile), tile), (tile, tile), overlap)
    tops = plan.tops
    assert tops[0] == 0
    assert tops[-1] + tile == max(length, tile)
    wanted = min(overlap, tile // 2)
    assert all(second - first <= tile - wanted for first, second in itertools.pairwise(tops))


def test_the_weight_moves_smoothly_and_leaves_the_borders_out() -> None:
    weights = ramp(64)
    assert weights[:16].max() == 0.0
    assert weights[-16:].min() == 1.0
    assert np.diff(weights).min() >= 0
    assert np.abs(np.diff(weights)).max() < 0.06
    assert np.allclose(weights + weights[::-1], 1.0, atol=1e-6)


def brighter_by_place(sized: Sized) -> list[Image.Image]:
    """A model whose brightness differs from tile to tile, as instance normalisation makes it differ."""
    return [part.point(lambda v, n=number: v * 0.8 + 12 * (n % 3)) for number, part in enumerate(sized.parts)]


def dark_border(sized: Sized) -> list[Image.Image]:
    """A model that invents a dark frame, as zero padding makes networks do."""
    answers = []
    for part in sized.parts:
        framed = Image.new("RGB", part.size)
        framed.paste(part.crop((3, 3, part.width - 3, part.height - 3)), (3, 3))
        answers.append(framed)
    return answers


def blurred(sized: Sized) -> list[Image.Image]:
    return [part.filter(ImageFilter.GaussianBlur(2)) for part in sized.parts]


def seam_strength(image: Image.Image, reference: Image.Image, starts: list[int], tile: int) -> float:
    """The largest mean step between neighbouring columns near tile borders, beyond what the reference has there."""
    steps = np.abs(np.diff(np.asarray(image).astype(float), axis=1)).mean(axis=(0, 2))
    own = np.abs(np.diff(np.asarray(reference).astype(float), axis=1)).mean(axis=(0, 2))
    borders = {edge for start in starts for edge in range(start - 1, start + 2)}
    borders |= {edge for start in starts for edge in range(start + tile - 2, start + tile + 1)}
    inside = [edge for edge in borders if 8 < edge < image.width - 9]
    return float(max(steps[edge] - own[edge] for edge in inside))


@pytest.mark.parametrize("picture", [lambda: gradient(400, 300), photograph])
@pytest.mark.parametrize("model", [brighter_by_place, dark_border, blurred])
def test_no_seam_is_visible(picture: Callable[[], Image.Image], model: Callable[[Sized], list[Image.Image]]) -> None:
    image = picture()
    sized = bring_to_size(image, rule("tile", overlap=32))
    result = sized.restore(model(sized))
    starts = list(plan_tiles((300, 400), (64, 64), 32).lefts)
    assert result.size == image.size
    assert seam_strength(result, image, starts, 64) < 1.0  # of 255; a hard cut of these models makes 10 to 60


def tones(sized: Sized) -> list[Image.Image]:
    """A model that gives every tile a tone of its own, 60 of 255 from its neighbours'."""
    return [part.point(lambda v, n=number: v + 60 * (n % 2)) for number, part in enumerate(sized.parts)]


@pytest.mark.parametrize("size", [(400, 60), (60, 400), (400, 300)])
def test_a_tile_of_another_tone_goes_over_to_it_across_the_whole_tile(size: tuple[int, int]) -> None:
    sized = bring_to_size(Image.new("RGB", size, (90, 100, 110)), rule("tile", overlap=16))
    result = np.asarray(sized.restore(tones(sized))).astype(int)
    over_the_blend = [np.abs(result[8:] - result[:-8]).max(), np.abs(result[:, 8:] - result[:, :-8]).max()]
    assert result.max() - result.min() > 30  # the tiles keep their tones
    assert max(over_the_blend) < 20  # of the 60 that a blend without levelling steps over these 8 pixels


def test_classes_are_never_levelled() -> None:
    sized = bring_to_size(Image.new("L", (200, 64), 3), SizeRule((64, 64), "tile", 16, class_pixels=True))
    answers = [part.point(lambda v, n=number: v + n % 2) for number, part in enumerate(sized.parts)]
    assert set(np.unique(np.asarray(sized.restore(answers)))) == {3, 4}


def test_a_hard_cut_would_be_seen_by_the_same_measure() -> None:
    image = gradient(384, 256)
    sized = bring_to_size(image, rule("tile", overlap=0))
    plan = plan_tiles((256, 384), (64, 64), 0)
    assert seam_strength(sized.restore(brighter_by_place(sized)), image, list(plan.lefts), 64) > 3.0


def test_the_tiles_of_a_large_picture_need_little_memory_to_blend() -> None:
    plan = plan_tiles((256, 4096), (256, 256), 64)
    tiles = cut_tiles(gradient(4096, 256), plan)
    assert blend_tiles(plan, tiles).size == (4096, 256)


@pytest.mark.parametrize("side", [5, 15, 20, 3])
def test_a_model_that_halves_or_doubles_or_triples_tiles_of_ten_still_fills_the_picture(side: int) -> None:
    for width in range(10, 60):
        sized = bring_to_size(gradient(width, 23), SizeRule((10, 10), "tile", 3))
        whole = sized.restore([part.resize((side, side)) for part in sized.parts])
        assert abs(whole.width - width * side / 10) <= 0.5


@pytest.mark.parametrize("mode", ["LA", "RGBA", "I;16"])
def test_tiles_with_alpha_or_16_bit_keep_them(mode: str) -> None:
    values = np.random.default_rng(1).integers(0, 256, (90, 70, 4), np.uint8)
    deep = values[..., 0].astype(np.uint16) * 257 + 3
    whole = {"LA": values[..., :2], "RGBA": values, "I;16": deep}[mode]
    plan = plan_tiles((90, 70), (32, 32), 8)
    tiles = cut_tiles(Image.fromarray(whole), plan)
    assert {tile.mode for tile in tiles} == {mode}
    blended = blend_tiles(plan, tiles)
    assert blended.mode == mode
    assert np.array_equal(np.asarray(blended), whole)
