"""Prepare the bytes to send from those of a file, and the bytes to write from the answers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.header import Header, identify, read_header
from tendies_ops.inference.picture.pixels import FORMATS, NOTE, open_frames, refuse_missing_pixels, reported_as_damage
from tendies_ops.inference.picture.plugins import PACKAGES, is_readable_with_plugin, load_plugin
from tendies_ops.inference.picture.sizes import WHOLE, Sized, SizeRule, Window, bring_to_size, unchanged

Finish = Callable[[Sequence[bytes]], bytes]

_DEFAULT_FRAME_MS = 100.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture that is ready to be sent, as one or several files."""

    parts: list[bytes]  #: whole PNG or JPEG files
    size: tuple[int, int]  #: height and width of each part, in pixels
    finish: Finish  #: makes the result file from the answers, one for each part
    windows: tuple[Window, ...] = (WHOLE,)  #: place of each part in the picture
    note: str = ""  #: note about its result

    @property
    def megapixels(self) -> float:
        """The megapixels of each part."""
        return self.size[0] * self.size[1] / 1e6

    @property
    def size_bytes(self) -> int:
        """The encoded bytes of all parts."""
        return sum(map(len, self.parts))


def prepare(data: bytes, options: BatchOptions) -> Prepared:
    """
    Decide how one picture is sent.

    :param data: the whole file.
    :raises PictureError: it is not a picture, too large, damaged, or not supported.
    """
    header = read_header(data)
    if header is None:
        raise PictureError("not_an_image", "its content is not that of a picture" if data else "it is empty")
    _check_limit(header, options)
    if header.format == "JPEG":
        refuse_missing_pixels(data)
    if header.fits and options.size in {None, (header.height, header.width)}:
        return Prepared([data], (header.height, header.width), _finish_answer(options))
    if header.format not in FORMATS and load_plugin(header.format) is None:
        article = "an" if header.format[0] in "AEIHOX" else "a"
        todo = f"install {PACKAGES}, or convert it" if is_readable_with_plugin(header.format) else "convert it"
        raise PictureError("unsupported", f"it is {article} {header.format} file; {todo} to PNG, JPEG, WebP or TIFF")
    if header.format == "JPEG XL" and header.width == 0:
        raise PictureError("damaged", "its header cannot be read")
    with reported_as_damage():
        return _prepare_decoded(data, options)


def open_upright(data: bytes, options: BatchOptions) -> Image.Image:
    """
    Return the first frame of a picture as a model sees it: upright, 8 bit, sRGB.

    :raises PictureError: it is damaged or not supported.
    """
    with reported_as_damage():
        return next(_frames(data, options, all_frames=False))


def control_picture(size: tuple[int, int]) -> bytes:
    """Make a grey ramp, which any model accepts: its answer distinguishes a bad picture from an unhealthy server."""
    ramp = Image.linear_gradient("L").resize((size[1], size[0])).convert("RGB")
    return encode_png(ramp)


def encode_png(image: Image.Image) -> bytes:
    """Encode as PNG at the fastest level: it is sent once and dropped."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def encode_result(
    frames: list[Image.Image], answered: str, options: BatchOptions, durations_ms: Sequence[float] = ()
) -> bytes:
    """
    Encode one picture, or several as an animation, as the options require.

    :param answered: the format of the model's answer, which the options may ask for.
    :param durations_ms: of each frame of an animation.
    :raises PictureError: it is too large for the format.
    """
    name = answered if options.output_format == "as_answered" else options.output_format.upper()
    if len(frames) > 1 and name == "JPEG":
        name = "PNG"
    first = frames[0].convert("RGB") if name == "JPEG" and frames[0].mode not in {"L", "RGB"} else frames[0]
    settings: dict[str, Any] = {} if name == "PNG" else {"quality": options.output_quality}
    if len(frames) > 1:
        settings |= {"save_all": True, "append_images": frames[1:], "duration": list(durations_ms), "loop": 0}
    buffer = io.BytesIO()
    try:
        first.save(buffer, name, **settings)
    except (OSError, ValueError) as error:  # JPEG and WebP have a largest size: 65,500 and 16,383 pixels a side
        raise PictureError(
            "unsupported",
            f"its result of {first.width} x {first.height} pixels cannot be written as {name} ({error}); "
            "ask for another format, such as png",
        ) from error
    return buffer.getvalue()


def _check_limit(header: Header, options: BatchOptions) -> None:
    if header.megapixels > options.max_megapixels:
        raise PictureError(
            "too_large",
            f"it is {header.width} x {header.height} = {header.megapixels:.1f} megapixels; "
            f"the limit is {options.max_megapixels:g}",
        )


def _prepare_decoded(data: bytes, options: BatchOptions) -> Prepared:
    frames: list[Sized] = []
    durations_ms: list[float] = []
    note = ""
    for frame in _frames(data, options, all_frames=options.animated == "all"):
        note = note or frame.info.get(NOTE, "")
        durations_ms.append(float(frame.info.get("duration") or _DEFAULT_FRAME_MS))
        frames.append(_sized(frame, options))
    pictures = [part for sized in frames for part in sized.parts]
    largest = max(pictures, key=lambda part: part.width * part.height)
    as_it_is = len(frames) == 1 and options.size is None
    finish = _finish_answer(options) if as_it_is else _finish_pictures(_restores(frames), durations_ms, options)
    windows = tuple(window for sized in frames for window in sized.windows)
    return Prepared([encode_png(part) for part in pictures], (largest.height, largest.width), finish, windows, note)


def _frames(data: bytes, options: BatchOptions, *, all_frames: bool) -> Iterator[Image.Image]:
    return open_frames(
        data, max_megapixels=options.max_megapixels, max_frames=options.max_frames, all_frames=all_frames
    )


def _sized(frame: Image.Image, options: BatchOptions) -> Sized:
    if options.size is None:
        return unchanged(frame)
    overlap = min(options.size) // 4 if options.overlap is None else options.overlap
    rule = SizeRule(options.size, options.size_policy, overlap, options.restore_size, options.class_pixels)
    return bring_to_size(frame, rule)


def _restores(frames: Sequence[Sized]) -> list[tuple[int, Callable[[Sequence[Image.Image]], Image.Image]]]:
    """Return the number of answers of each frame and its restore function, without the frame's own pixels."""
    return [(len(sized.parts), sized.restore) for sized in frames]


def _finish_answer(options: BatchOptions) -> Finish:
    """Return the function that writes one answer, unchanged unless another format is asked for."""

    def finish(answers: Sequence[bytes]) -> bytes:
        answer_format = _picture_format(answers[0])
        if options.output_format in {"as_answered", answer_format.lower()}:
            return answers[0]
        return encode_result([_decode(answers[0])], answer_format, options)

    return finish


def _finish_pictures(
    restores: list[tuple[int, Callable[[Sequence[Image.Image]], Image.Image]]],
    durations_ms: list[float],
    options: BatchOptions,
) -> Finish:
    def finish(answers: Sequence[bytes]) -> bytes:
        answer_format = _picture_format(answers[0])
        frames, at = [], 0
        for count, restore in restores:
            frames.append(restore(_of_one_kind([_decode(answer) for answer in answers[at : at + count]])))
            at += count
        return encode_result(frames, answer_format, options, durations_ms)

    return finish


def _of_one_kind(answers: list[Image.Image]) -> list[Image.Image]:
    """Return the answers to the pieces of one picture, if they fit together."""
    kinds = sorted({f"{image.width} x {image.height} {image.mode}" for image in answers})
    if len(kinds) > 1:
        raise PictureError("bad_output", f"the model answered pieces that do not fit together: {', '.join(kinds)}")
    return answers


def _picture_format(answer: bytes) -> str:
    name = identify(answer[:20])
    if name is None:
        raise PictureError("bad_output", f"the model answered {len(answer)} bytes that are not a picture")
    return name


def _decode(answer: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(answer), formats=("PNG", "JPEG", "WEBP"))
        image.load()
    except Exception as error:
        raise PictureError("bad_output", f"the model's answer does not decode: {str(error)[:200]}") from error
    return image
