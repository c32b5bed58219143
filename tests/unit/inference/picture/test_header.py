"""Headers: what fits and may travel byte for byte, and what must be decoded."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from tendies_ops.inference.picture.header import exif_orientation, identify, read_header
from tests.support.sample_pictures import encoded, noise, png


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_a_plain_picture_fits(mode: str, name: str) -> None:
    header = read_header(encoded(noise(1, (20, 10), mode), name))
    assert header is not None
    assert (header.format, header.width, header.height, header.fits) == (name, 20, 10, True)


def test_an_upright_tag_and_an_srgb_profile_still_fit() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name in ("PNG", "JPEG"):
        header = read_header(encoded(noise(1), name, exif=exif(1), icc_profile=profile))
        assert header is not None
        assert header.fits == (name == "JPEG")  # PNG's profile is compressed: decoding decides


@pytest.mark.parametrize(
    ("image", "name", "settings"),
    [
        (noise(1), "JPEG", {"exif": exif(6)}),
        (noise(1), "PNG", {"exif": exif(3)}),
        (noise(1), "PNG", {"icc_profile": b"some other profile" * 9}),
        (noise(1), "JPEG", {"icc_profile": b"some other profile" * 9}),
        (noise(1).convert("CMYK"), "JPEG", {}),
        (noise(1, mode="RGBA"), "PNG", {}),
        (noise(1).convert("P"), "PNG", {}),
        (noise(1, mode="L").convert("1"), "PNG", {}),
        (noise(1, mode="L").convert("I;16"), "PNG", {}),
        (noise(1, mode="L"), "PNG", {"transparency": 3}),
    ],
)
def test_whatever_is_not_plain_is_decoded(image: Image.Image, name: str, settings: dict[str, object]) -> None:
    header = read_header(encoded(image, name, **settings))
    assert header is not None
    assert not header.fits


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_a_file_that_is_cut_short_does_not_fit(name: str) -> None:
    whole = encoded(noise(1, (40, 40)), name)
    for length in range(0, len(whole), 37):
        header = read_header(whole[:length])
        assert header is None or not header.fits


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "WEBP"),
        (b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00", "AVIF"),
        (b"\x00\x00\x00\x20ftypheic\x00\x00\x00\x00", "HEIF"),
        (b"BM\x36\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00", "BMP"),
        (b"BMW is a maker of cars", None),
        (b"P6\n3 3\n255\n", "PPM"),
        (b"P6 is a building", "PPM"),
        (b"P6-building", None),
        (b"", None),
    ],
)
def test_content_says_what_it_is(start: bytes, name: str | None) -> None:
    assert identify(start) == name


@given(st.binary(max_size=200), st.sampled_from([png(1), encoded(noise(2), "JPEG", exif=exif(6))]), st.data())
def test_no_bytes_make_it_fail(garbage: bytes, whole: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(whole)))
    for candidate in (garbage, whole[:8] + garbage, whole[:at] + garbage + whole[at:], b"\xff\xd8\xff" + garbage):
        read_header(candidate)


@given(st.binary(max_size=80))
def test_a_broken_exif_is_upright(garbage: bytes) -> None:
    assert 1 <= exif_orientation(b"II*\x00\x08\x00\x00\x00" + garbage) <= 8


def test_a_png_with_xmp_orientation_is_decoded() -> None:
    text = b"XML:com.adobe.xmp\x00\x00\x00\x00\x00<x tiff:Orientation='6'/>"
    chunk = b"iTXt" + text
    whole = png(1)
    framed = struct.pack(">I", len(text)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    header = read_header(whole[:33] + framed + whole[33:])
    assert header is not None
    assert not header.fits
