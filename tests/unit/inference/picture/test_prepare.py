"""Preparing: what is sent for each kind of picture, and what is written."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.prepare import prepare
from tests.support.sample_pictures import decoded, encoded, noise, png


def options(**changes: object) -> BatchOptions:
    return BatchOptions(input="in", output="out", model_name="m", servers=("http://h:1",), **changes)


def sent(data: bytes, **changes: object) -> Image.Image:
    (part,) = prepare(data, options(**changes)).parts
    image = decoded(part)
    assert image.format in {"PNG", "JPEG"}
    assert image.mode in {"L", "RGB"}
    return image


def marked(size: tuple[int, int] = (8, 4)) -> Image.Image:
    """Black, with one white pixel at the upper left."""
    image = Image.new("RGB", size)
    image.putpixel((0, 0), (255, 255, 255))
    return image


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_what_fits_travels_byte_for_byte(name: str) -> None:
    data = encoded(noise(1), name)
    assert prepare(data, options()).parts == [data]
    assert prepare(data, options(size=(16, 16))).parts == [data]


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_sent_upright(orientation: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # Image.Transpose that undoes what the tag asks for
    stored = marked().transpose(Image.Transpose(back))
    upright = sent(encoded(stored, "PNG", exif=tags))
    assert np.array_equal(np.asarray(upright), np.asarray(marked()))


@pytest.mark.parametrize("name", ["WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_other_formats_are_sent_as_png(name: str) -> None:
    image = noise(3, (24, 12)).quantize(16).convert("RGB")
    settings = {"lossless": True} if name == "WEBP" else {}
    assert np.array_equal(np.asarray(sent(encoded(image, name, **settings))), np.asarray(image))


def test_cmyk_black_is_black_and_paper_is_white() -> None:
    image = Image.new("CMYK", (16, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 8, 8))
    pixels = np.asarray(sent(encoded(image, "JPEG", quality=100)))
    assert pixels[4, 2].max() < 8
    assert pixels[4, 13].min() > 247


def test_transparent_parts_lie_on_white() -> None:
    image = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    image.putpixel((1, 1), (10, 20, 30, 255))
    pixels = np.asarray(sent(encoded(image)))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[1, 1].tolist() == [10, 20, 30]


def test_a_palette_with_transparency_lies_on_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([9, 9, 9, 200, 0, 0])
    image.putpixel((1, 0), 1)
    pixels = np.asarray(sent(encoded(image, transparency=0)))
    assert pixels[0].tolist() == [[255, 255, 255], [200, 0, 0]]


def test_sixteen_bits_become_eight() -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    image = Image.fromarray(values)
    assert np.asarray(sent(encoded(image))).tolist() == [[0, 1, 128, 255]]


def test_one_bit_becomes_grey() -> None:
    assert np.asarray(sent(encoded(Image.new("1", (2, 2), 1)))).tolist() == [[255, 255], [255, 255]]


def test_floating_point_pixels_are_refused_in_words() -> None:
    with pytest.raises(PictureError, match="floating-point") as caught:
        prepare(encoded(Image.new("F", (2, 2), 0.5), "TIFF"), options())
    assert caught.value.kind == "unsupported"


def test_another_colour_space_is_brought_to_srgb() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = (
        srgb.replace(b"rXYZ", b"qXYZ").replace(b"gXYZ", b"rXYZ").replace(b"qXYZ", b"gXYZ").replace(b"sRGB", b"swap")
    )
    red = encoded(Image.new("RGB", (8, 8), (200, 30, 30)), "PNG", icc_profile=swapped)
    pixel = np.asarray(sent(red))[0, 0].astype(int)
    assert np.abs(pixel - [30, 200, 30]).max() <= 2  # its profile says that its first channel is green


def test_a_profile_that_cannot_be_used_is_as_good_as_none() -> None:
    image = noise(1)
    assert np.array_equal(np.asarray(sent(encoded(image, icc_profile=b"nonsense" * 20))), np.asarray(image))


def test_an_animation_gives_its_first_frame_or_all() -> None:
    frames = [Image.new("RGB", (6, 4), (60 * n, 0, 0)) for n in range(4)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[50, 60, 70, 80])
    assert len(prepare(data, options()).parts) == 1
    prepared = prepare(data, options(animated="all"))
    assert len(prepared.parts) == 4
    result = Image.open(io.BytesIO(prepared.finish(prepared.parts)))
    assert (result.format, result.n_frames) == ("PNG", 4)  # type: ignore[attr-defined]
    durations = []
    for n in range(4):
        result.seek(n)
        durations.append(result.info["duration"])
    assert durations == [50, 60, 70, 80]


def test_too_many_frames_are_too_large() -> None:
    frames = [Image.new("L", (4, 4), n) for n in range(12)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="more than 10 frames") as caught:
        prepare(data, options(animated="all", max_frames=10))
    assert caught.value.kind == "too_large"


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"])
def test_a_picture_above_the_limit_is_refused_before_it_is_decoded(name: str) -> None:
    with pytest.raises(PictureError, match=r"megapixels; the limit is 0\.01") as caught:
        prepare(encoded(Image.new("RGB", (200, 100)), name), options(max_megapixels=0.01))
    assert caught.value.kind == "too_large"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "not_an_image"),
        (b"hello, this is text", "not_an_image"),
        (b"8BPS" + b"\x00" * 40, "unsupported"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
        (png(1, (64, 64))[:3000], "damaged"),
        (encoded(noise(1, (64, 64)), "JPEG")[:900], "damaged"),
        (encoded(noise(1, (64, 64)), "WEBP")[:900], "damaged"),
    ],
)
def test_what_cannot_be_sent_says_why(data: bytes, kind: str) -> None:
    with pytest.raises(PictureError) as caught:
        prepare(data, options())
    assert caught.value.kind == kind
    assert len(caught.value.reason) > 8


def test_an_answer_is_written_as_it_came() -> None:
    answer = png(5)
    assert prepare(png(1), options()).finish([answer]) is answer


@pytest.mark.parametrize("wanted", ["jpeg", "webp", "png"])
def test_an_answer_is_written_in_the_format_that_is_asked_for(wanted: str) -> None:
    answer = encoded(noise(5), "JPEG" if wanted == "png" else "PNG")
    assert decoded(prepare(png(1), options(output_format=wanted)).finish([answer])).format == wanted.upper()


@pytest.mark.parametrize("answer", [b"", b"not a picture", png(1)[:60]])
def test_an_answer_that_is_no_picture_is_a_bad_output(answer: bytes) -> None:
    finish = prepare(png(1), options(output_format="webp")).finish
    with pytest.raises(PictureError) as caught:
        finish([answer])
    assert caught.value.kind == "bad_output"


def test_frames_that_are_too_many_pixels_together_are_refused_before_they_are_all_held() -> None:
    data = encoded(noise(1), "GIF", save_all=True, append_images=[noise(number) for number in range(2, 8)])
    with pytest.raises(PictureError, match=r"more than 0.001024 megapixels together, 4 times the limit") as refused:
        prepare(data, options(animated="all", max_megapixels=0.000256))
    assert refused.value.kind == "too_large"
    assert len(prepare(data, options(max_megapixels=0.000256)).parts) == 1


def test_transparent_frames_keep_their_durations() -> None:
    frames = [noise(number, mode="RGBA") for number in range(3)]
    data = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], duration=[40, 250, 700], lossless=True)
    prepared = prepare(data, options(animated="all"))
    made = decoded(prepared.finish(prepared.parts))
    durations = []
    for frame in range(3):
        made.seek(frame)
        durations.append(made.info["duration"])
    assert durations == [40, 250, 700]


def test_a_picture_beyond_what_pillow_takes_by_itself_is_taken_where_the_limit_allows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    data = encoded(noise(1, (40, 40)), "BMP")
    assert len(prepare(data, options(max_megapixels=1.0)).parts) == 1
