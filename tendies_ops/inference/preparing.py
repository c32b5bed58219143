"""From the bytes on disk to the bytes that are sent, and from the answers to the bytes that are written."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image

from tendies_ops.inference.decoding import FORMATS, open_frames, told_as_damage
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.outcomes import PictureError
from tendies_ops.inference.sizing import Sized, SizeRule, bring_to_size, unchanged
from tendies_ops.inference.sniffing import Header, identify, read_header

Finish = Callable[[Sequence[bytes]], bytes]

_DEFAULT_FRAME_MS = 100.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture that is ready to be sent, as one file or as several."""

    parts: list[bytes]  #: whole PNG or JPEG files
    megapixels: float  #: of each part
    finish: Finish  #: the answers, one a part, to the one file that is written

    @property
    def size_bytes(self) -> int:
        """Of all parts, encoded."""
        return sum(map(len, self.parts))


def prepare(data: bytes, options: BatchOptions) -> Prepared:
    """
    Decide how one picture travels.

    :param data: the whole file.
    :raises PictureError: it is no picture, too large, damaged, or of a kind that is not handled.
    """
    header = read_header(data)
    if header is None:
        raise PictureError("not_an_image", "its content is not that of a picture" if data else "it is empty")
    _check_limit(header, options)
    if header.fits and options.size in {None, (header.height, header.width)}:
        return Prepared([data], header.megapixels, _finish_answer(options))
    if header.format not in FORMATS:
        raise PictureError("unsupported", f"it is a {header.format} file; convert it to PNG, JPEG, WebP or TIFF")
    with told_as_damage():
        return _prepare_decoded(data, options)


def encode_png(image: Image.Image) -> bytes:
    """As PNG at the fastest level: it travels once and is thrown away."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
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
    for frame in open_frames(
        data,
        max_megapixels=options.max_megapixels,
        max_frames=options.max_frames,
        all_frames=options.animated == "all",
    ):
        durations_ms.append(float(frame.info.get("duration") or _DEFAULT_FRAME_MS))
        frames.append(_sized(frame, options))
    parts = [encode_png(part) for sized in frames for part in sized.parts]
    megapixels = max(part.width * part.height for sized in frames for part in sized.parts) / 1e6
    as_it_is = len(frames) == 1 and options.size is None
    finish = _finish_answer(options) if as_it_is else _finish_pictures(_restores(frames), durations_ms, options)
    return Prepared(parts, megapixels, finish)


def _sized(frame: Image.Image, options: BatchOptions) -> Sized:
    if options.size is None:
        return unchanged(frame)
    overlap = min(options.size) // 4 if options.overlap is None else options.overlap
    return bring_to_size(frame, SizeRule(options.size, options.size_policy, overlap, options.restore_size))


def _restores(frames: Sequence[Sized]) -> list[tuple[int, Callable[[Sequence[Image.Image]], Image.Image]]]:
    """How many answers each frame takes, and what becomes of them. Holds none of the frames' own pixels."""
    return [(len(sized.parts), sized.restore) for sized in frames]


def _finish_answer(options: BatchOptions) -> Finish:
    """One answer, written as it came unless another format is asked for."""

    def finish(answers: Sequence[bytes]) -> bytes:
        answer_format = _picture_format(answers[0])
        if options.output_format in {"as_answered", answer_format.lower()}:
            return answers[0]
        return _encode([_decode(answers[0])], [0.0], options.output_format.upper(), options)

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
            frames.append(restore([_decode(answer) for answer in answers[at : at + count]]))
            at += count
        wanted = answer_format if options.output_format == "as_answered" else options.output_format.upper()
        return _encode(frames, durations_ms, "PNG" if len(frames) > 1 and wanted == "JPEG" else wanted, options)

    return finish


def _picture_format(answer: bytes) -> str:
    name = identify(answer[:20])
    if name is None:
        raise PictureError("bad_output", f"the model answered {len(answer)} bytes that are no picture")
    return name


def _decode(answer: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(answer), formats=("PNG", "JPEG", "WEBP"))
        image.load()
    except Exception as error:
        raise PictureError("bad_output", f"the model's answer does not decode: {str(error)[:200]}") from error
    return image


def _encode(frames: list[Image.Image], durations_ms: list[float], name: str, options: BatchOptions) -> bytes:
    buffer = io.BytesIO()
    first = frames[0].convert("RGB") if name == "JPEG" and frames[0].mode not in {"L", "RGB"} else frames[0]
    settings = {} if name == "PNG" else {"quality": options.output_quality}
    if len(frames) > 1:
        first.save(buffer, name, save_all=True, append_images=frames[1:], duration=durations_ms, loop=0, **settings)
    else:
        first.save(buffer, name, **settings)
    return buffer.getvalue()
