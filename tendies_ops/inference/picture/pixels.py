"""Open pictures with Pillow: check limits, then make them upright, 8-bit grey or RGB, in sRGB."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import io
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import (
    AvifImagePlugin,  # noqa: F401 # these register plugins that Pillow would otherwise search for during a run
    Image,
    ImageCms,
    ImageOps,
    Jpeg2KImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.picture.header import identify
from tendies_ops.inference.picture.jpeg_damage import missing_pixels
from tendies_ops.inference.picture.plugins import load_plugin
from tendies_ops.inference.picture.png_colour import png_to_srgb
from tendies_ops.inference.picture.tiff import TiffPages, read_pages

#: The formats that are opened. Pillow knows more, some of which start other programs (EPS) or have no signature (TGA).
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM", "AVIF")
# Pillow warns about what it repairs or ignores in a file; here it only matters whether the file decodes.
warnings.filterwarnings("ignore", module=r"PIL\.")
_BACKGROUND = (255, 255, 255)  # below transparent parts, as in a browser
_FRAMES_TOGETHER = 4  # the frames of one file may have four times the pixels of one picture
_LOW_SIXTEEN_BIT = 4096  # samples of 12 bits stay below
NOTE = "tendies_note"  #: key in ``info`` of a note about a decoded picture
_SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I;16N"}


def open_frames(data: bytes, *, max_megapixels: float, max_frames: int, all_frames: bool) -> Iterator[Image.Image]:
    """
    Decode a picture frame by frame.

    :param all_frames: every frame of an animated file, every page of a TIFF; False gives the first. Previews of reduced
        size in a TIFF are never taken.
    :return: upright images of mode L or RGB, with a note about the file in ``info`` if there is one.
    :raises PictureError: it is too large or not supported. A damaged one raises the decoder's error; see
        :func:`reported_as_damage`.
    """
    image = _open(data, max_megapixels)
    pages = _pages(image, data)
    positions = iter(pages.pages) if pages.pages else itertools.count()
    _seek(image, next(positions))
    _check_size(image, max_megapixels)
    first = _finished(image, data, pages)
    if not all_frames and len(pages.pages) > 1:
        first.info[NOTE] = f"page 1 of {len(pages.pages)}; the others were left out"
    yield first
    for frame, position in enumerate(positions, 2):
        if not all_frames or not _seek(image, position):
            return
        if frame > max_frames:
            raise PictureError("too_large", f"it has more than {max_frames} frames")
        _check_frames(image, frame, max_megapixels)
        yield _finished(image, data, pages)


def refuse_missing_pixels(data: bytes) -> None:
    """
    Refuse a JPEG file of which a part was never written.

    :raises PictureError: a part is missing.
    """
    if missing := missing_pixels(data):
        raise PictureError("damaged", missing)


def normalised(image: Image.Image) -> Image.Image:
    """Return the picture upright, in sRGB, mode L or RGB."""
    image.load()
    upright = _upright(image)
    managed = _to_srgb(upright, image.info.get("icc_profile"))
    flat = _flattened(managed)
    if "duration" in image.info:  # of this frame; it is lost when the background is added
        flat.info["duration"] = image.info["duration"]
    return flat


def _pages(image: Image.Image, data: bytes) -> TiffPages:
    if image.format == "HEIF":  # opened at its main picture; the others are a burst, or of another purpose
        return TiffPages([image.tell()])
    if image.format != "TIFF":
        return TiffPages()
    pages = read_pages(data)
    if pages.is_raw:
        raise PictureError("unsupported", "it is a camera RAW file (DNG, NEF and the like); develop it first")
    return pages


def _finished(image: Image.Image, data: bytes, pages: TiffPages) -> Image.Image:
    image.load()
    image.info["largest_sample"] = pages.max_samples.get(image.tell())
    frame = normalised(image)
    return png_to_srgb(frame, data) if image.format == "PNG" else frame


def _open(data: bytes, max_megapixels: float) -> Image.Image:
    _silence_libtiff()
    if Image.MAX_IMAGE_PIXELS is not None:  # Pillow's own limit must not be below the one that is checked here
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, int(max_megapixels * 1e6))
    by_plugin = load_plugin(identify(data[:20]) or "")
    try:
        return Image.open(io.BytesIO(data), formats=(by_plugin,) if by_plugin else FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError(
            "too_large", f"it has more pixels than the limit of {max_megapixels:g} megapixels"
        ) from error


@functools.cache
def _silence_libtiff() -> None:
    """
    Keep libtiff from writing to stderr about each damaged tag; real errors are raised.

    Pillow has no setting for that, so the library in its wheel is called directly (libtiff ``TIFFSetErrorHandler``).
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
    """Limit the pixels of all frames, which are held together: a file of some hundred kB may have a thousand."""
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
    except Exception:  # a broken tag does not justify refusing intact pixels
        return image


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if not profile or image.mode not in {"RGB", "RGBA", "CMYK", "L"}:
        return image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    try:
        transform = _transform_to_srgb(profile, "RGB" if alpha else image.mode)
        converted = ImageCms.applyTransform(image.convert("RGB") if alpha else image, transform)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image  # an unusable profile counts as none
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
    """
    Scale to 8 bits: 65535 is white, or the largest sample that a TIFF states.

    A 32-bit picture with values up to 65535 counts as one of 16 bits.
    """
    whole = image.convert("I")  # `getextrema` cannot read 16 bits in the other byte order
    low, high = whole.getextrema()
    if not isinstance(low, int | float) or not isinstance(high, int | float) or low < 0 or high > 65535:
        raise PictureError("unsupported", "its pixels are 32-bit numbers beyond 0 to 65535")
    stated = image.info.get("largest_sample")
    largest = stated if stated and high <= stated else 65535
    grey = whole.point(lambda value: value * (255 / largest)).convert("L")
    if largest == 65535 and high < _LOW_SIXTEEN_BIT:
        grey.info[NOTE] = f"its 16-bit samples stay below {_LOW_SIXTEEN_BIT}, so the result may be almost black"
    return grey


@contextlib.contextmanager
def reported_as_damage() -> Iterator[None]:
    """Raise PictureError for any error of a decoder: the file is damaged."""
    try:
        yield
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError("damaged", "the decoder cannot read its header") from error
    except MemoryError as error:
        raise PictureError("too_large", "it does not fit into memory") from error
    except Exception as error:
        raise PictureError("damaged", f"it does not decode: {str(error)[:200] or type(error).__name__}") from error
