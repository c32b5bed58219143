"""
Resize pictures to the size that a model accepts, and its answers to theirs.

NumPy is imported late: a batch that does not need it starts a fifth of a second sooner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageOps

Restore = Callable[[Sequence[Image.Image]], Image.Image]
Window = tuple[float, float, float, float]  # top, left, bottom, right; 0 to 1 within the picture, beyond it in margins

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Sized:
    """The parts of one picture that the model sees."""

    parts: list[Image.Image]
    restore: Restore  #: makes one picture from the answers to ``parts``
    windows: tuple[Window, ...] = (WHOLE,)  #: place of each part in the picture


@dataclass(frozen=True, slots=True)
class SizeRule:
    """
    A size and the policy to reach it.

    :param size: height and width, in pixels.
    :param overlap: of tiles, in pixels.
    :param restore_size: resize the answers of fit, pad and crop to the original size, instead of keeping the model's.
    :param class_pixels: output pixels are class indices: resize with nearest neighbour and do not blend tiles.
    """

    size: tuple[int, int]
    policy: str
    overlap: int
    restore_size: bool = False
    class_pixels: bool = False

    def resized_answer(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        """Return an answer at another size (width, height)."""
        return _resized(image, size, Image.Resampling.NEAREST if self.class_pixels else Image.Resampling.LANCZOS)


def unchanged(image: Image.Image) -> Sized:
    """Return the picture itself, for a model that accepts any size."""
    return Sized([image], _first)


def bring_to_size(image: Image.Image, rule: SizeRule) -> Sized:
    """
    Apply a size rule to one upright picture.

    ``fit`` resizes the whole picture and restores its proportions, ``pad`` shrinks it and mirrors its edges outwards,
    ``crop`` uses the largest middle part, ``tile`` cuts it into overlapping pieces at full size.
    """
    height, width = rule.size
    if image.size == (width, height):
        return unchanged(image)
    return {"fit": _fit, "pad": _pad, "crop": _crop, "tile": _tile}[rule.policy](image, rule)


def _fit(image: Image.Image, rule: SizeRule) -> Sized:
    own = image.size
    height, width = rule.size

    def restore(answers: Sequence[Image.Image]) -> Image.Image:
        answer = answers[0]
        scale = answer.width / width, answer.height / height
        box = own if rule.restore_size else _contained(own, (width, height))
        return rule.resized_answer(answer, (_scaled(box[0], scale[0]), _scaled(box[1], scale[1])))

    return Sized([_resized(image, (width, height))], restore)


def _pad(image: Image.Image, rule: SizeRule) -> Sized:
    own = image.size
    height, width = rule.size
    inner = _contained(own, (width, height))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2

    def restore(answers: Sequence[Image.Image]) -> Image.Image:
        answer = answers[0]
        x, y = answer.width / width, answer.height / height
        box = (_at(left, x), _at(top, y), _at(left + inner[0], x), _at(top + inner[1], y))
        cropped = answer.crop(box)
        return rule.resized_answer(cropped, (_scaled(own[0], x), _scaled(own[1], y))) if rule.restore_size else cropped

    padded = mirrored_to(_resized(image, inner), (width, height), (left, top))
    return Sized([padded], restore, (_window(inner, (left, top), rule.size),))


def _crop(image: Image.Image, rule: SizeRule) -> Sized:
    own = image.size
    height, width = rule.size
    seen = _contained_inside(own, width / height)
    part = ImageOps.fit(image, (width, height), method=Image.Resampling.LANCZOS)

    def restore(answers: Sequence[Image.Image]) -> Image.Image:
        answer = answers[0]
        if not rule.restore_size:
            return answer
        wanted = _scaled(seen[0], answer.width / width), _scaled(seen[1], answer.height / height)
        return rule.resized_answer(answer, wanted)

    offset = (seen[0] - own[0]) / 2, (seen[1] - own[1]) / 2
    return Sized([part], restore, (_window(own, offset, (seen[1], seen[0])),))


def _tile(image: Image.Image, rule: SizeRule) -> Sized:
    from tendies_ops.inference.picture.tiles import blend_tiles, cut_tiles, plan_tiles

    own = image.size
    height, width = rule.size
    whole = mirrored_to(image, (max(own[0], width), max(own[1], height)), (0, 0))
    plan = plan_tiles((whole.height, whole.width), rule.size, rule.overlap)

    def restore(answers: Sequence[Image.Image]) -> Image.Image:
        scale = answers[0].width / width, answers[0].height / height
        canvas = blend_tiles(plan, answers, hard=rule.class_pixels)
        return canvas.crop((0, 0, _scaled(own[0], scale[0]), _scaled(own[1], scale[1])))

    corners = ((left, top) for top in plan.tops for left in plan.lefts)
    windows = tuple(_window(own, (-left, -top), rule.size) for left, top in corners)
    return Sized(cut_tiles(whole, plan), restore, windows)


def mirrored_to(image: Image.Image, size: tuple[int, int], at: tuple[int, int]) -> Image.Image:
    """Enlarge to ``size`` (width, height) with the picture at ``at``, its edges mirrored outwards."""
    if image.size == size:
        return image
    import numpy as np

    pixels = np.asarray(image)
    rows = (at[1], size[1] - image.height - at[1])
    columns = (at[0], size[0] - image.width - at[0])
    pads = (rows, columns, (0, 0))[: pixels.ndim]
    return Image.fromarray(np.pad(pixels, pads, mode="symmetric"))


def _contained(own: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """Return the largest size with ``own``'s proportions that fits into ``box``; both (width, height)."""
    scale = min(box[0] / own[0], box[1] / own[1])
    return min(box[0], max(1, round(own[0] * scale))), min(box[1], max(1, round(own[1] * scale)))


def _contained_inside(own: tuple[int, int], proportion: float) -> tuple[int, int]:
    """Return the largest part of ``own`` with that ratio of width to height."""
    if own[0] / own[1] > proportion:
        return max(1, round(own[1] * proportion)), own[1]
    return own[0], max(1, round(own[0] / proportion))


def _window(own: tuple[int, int], at: tuple[float, float], seen: tuple[int, int]) -> Window:
    """
    Return the position of what the model sees within the picture.

    :param own: width and height of the picture in the model's pixels.
    :param at: the position of its upper left corner in what is seen, in the same pixels; negative outside.
    :param seen: height and width of what is seen.
    """
    left, top = -at[0] / own[0], -at[1] / own[1]
    return top, left, top + seen[0] / own[1], left + seen[1] / own[0]


def _resized(
    image: Image.Image, size: tuple[int, int], how: Image.Resampling = Image.Resampling.LANCZOS
) -> Image.Image:
    return image if image.size == size else image.resize(size, how)


def _scaled(length: int, scale: float) -> int:
    return max(1, round(length * scale))


def _at(position: int, scale: float) -> int:
    return round(position * scale)


def _first(answers: Sequence[Image.Image]) -> Image.Image:
    return answers[0]
