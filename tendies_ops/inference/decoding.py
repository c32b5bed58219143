"""Opening pictures with Pillow: limits first, then upright, then 8-bit grey or RGB in sRGB."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import (
    AvifImagePlugin,  # noqa: F401 # these register what Pillow would else look for in the middle of a run
    Image,
    ImageCms,
    ImageOps,
    Jpeg2KImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from tendies_ops.inference.outcomes import PictureError

#: What is opened. Pillow knows more, some of which starts other programs (EPS) or has no signature (TGA).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM", "AVIF")
# Pillow says through `warnings` what it mends or passes over in a file; whether it decodes is all that counts here.
warnings.filterwarnings("ignore", module=r"PIL\.")
_BACKGROUND = (255, 255, 255)  # transparent parts lie on white, as a browser shows them
_FRAMES_TOGETHER = 4  # the frames of one file may have so many times the pixels that one picture may have
_SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I;16N"}


def open_frames(data: bytes, *, max_megapixels: float, max_frames: int, all_frames: bool) -> Iterator[Image.Image]:
    """
    Decode a picture frame by frame.

    :param all_frames: every frame of an animated file; False gives the first.
    :return: upright images of mode L or RGB.
    :raises PictureError: it is too large or of a kind that is not handled. A damaged one raises whatever the decoder
        stumbled over; see :func:`told_as_damage`.
    """
    image = _open(data, max_megapixels)
    _check_size(image, max_megapixels)
    yield normalised(image)
    frame = 1
    while all_frames and _seek(image, frame):
        if frame >= max_frames:
            raise PictureError("too_large", f"it has more than {max_frames} frames")
        frame += 1
        _check_frames(image, frame, max_megapixels)
        yield normalised(image)


def normalised(image: Image.Image) -> Image.Image:
    """Upright, sRGB, mode L or RGB."""
    image.load()
    upright = _upright(image)
    managed = _to_srgb(upright, image.info.get("icc_profile"))
    flat = _flattened(managed)
    if "duration" in image.info:  # of this frame; what is put on a ground loses it
        flat.info["duration"] = image.info["duration"]
    return flat


def _open(data: bytes, max_megapixels: float) -> Image.Image:
    _silence_libtiff()
    if Image.MAX_IMAGE_PIXELS is not None:  # Pillow's own limit must not be below the one that is checked here
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, int(max_megapixels * 1e6))
    return Image.open(io.BytesIO(data), formats=FORMATS)


@functools.cache
def _silence_libtiff() -> None:
    """
    Keep libtiff from writing to stderr what it thinks of each damaged tag; what matters reaches us as an error.

    Pillow offers no way, so the library in its wheel is asked itself (libtiff ``TIFFSetErrorHandler``).
    """
    libraries = Path(Image.__file__).parents[1] / "pillow.libs"
    for library in libraries.glob("libtiff*.so*"):
        with contextlib.suppress(OSError, AttributeError):
            loaded = ctypes.CDLL(str(library))
            loaded.TIFFSetErrorHandler(None)
            loaded.TIFFSetWarningHandler(None)


def _check_size(image: Image.Image, max_megapixels: float) -> None:
    megapixels = image.width * image.height / 1e6
    if megapixels > max_megapixels:
        raise PictureError(
            "too_large",
            f"it is {image.width} x {image.height} = {megapixels:.1f} megapixels; the limit is {max_megapixels:g}",
        )


def _check_frames(image: Image.Image, frames: int, max_megapixels: float) -> None:
    """All frames are held until the last one is there: a file of a few hundred kB may hold a thousand large ones."""
    limit = _FRAMES_TOGETHER * max_megapixels
    if image.width * image.height * frames > limit * 1e6:
        raise PictureError(
            "too_large",
            f"its frames of {image.width} x {image.height} have more than {limit:g} megapixels together, "
            f"{_FRAMES_TOGETHER} times the limit of one picture",
        )


def _seek(image: Image.Image, frame: int) -> bool:
    try:
        image.seek(frame)
    except EOFError:
        return False
    return True


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken tag is no reason to refuse whole pixels
        return image


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile or image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    try:
        transform = _transform_to_srgb(profile, "RGB" if alpha else image.mode)
        converted = ImageCms.applyTransform(image.convert("RGB") if alpha else image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # a profile that cannot be used is as good as none
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@functools.lru_cache(maxsize=32)
def _transform_to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _flattened(image: Image.Image) -> Image.Image:
    if image.mode in {"L", "RGB"}:
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in _SIXTEEN_BIT or image.mode == "I":
        return _eight_bit(image)
    if image.mode == "F":
        raise PictureError("unsupported", "its pixels are floating-point numbers without a stated range")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        over = image.convert("RGBA")
        ground = Image.new("RGBA", over.size, (*_BACKGROUND, 255))
        flat = Image.alpha_composite(ground, over)
        return flat.convert("L" if image.mode in {"LA", "La"} else "RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """65535 is white. A 32-bit picture that stays within 16 bits is taken for one of 16."""
    low, high = image.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float) or low < 0 or high > 65535:
        raise PictureError("unsupported", "its pixels are 32-bit numbers beyond 0 to 65535")
    return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")


@contextlib.contextmanager
def told_as_damage() -> Iterator[None]:
    """Decoders raise whatever a hostile file makes them stumble over; all of it means that the file is damaged."""
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", str(error)) from error
    except UnidentifiedImageError as error:
        raise PictureError("damaged", "its header makes no sense to the decoder") from error
    except MemoryError as error:
        raise PictureError("too_large", "it does not fit into memory") from error
    except Exception as error:
        raise PictureError("damaged", f"it does not decode: {str(error)[:200] or type(error).__name__}") from error
