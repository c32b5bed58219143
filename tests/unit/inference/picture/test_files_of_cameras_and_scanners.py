"""The picture that the user means, in files that hold several or hold it in an unusual way."""

from __future__ import annotations

import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.header import identify, read_header
from tendies_ops.inference.picture.jpeg_damage import missing_pixels
from tendies_ops.inference.picture.prepare import Prepared, prepare
from tendies_ops.inference.picture.tiff import read_pages
from tests.support.sample_pictures import decoded, encoded, noise, png
from tests.support.tiff_files import TiffPage, tiff_file


def prepared(data: bytes, **changes: object) -> Prepared:
    return prepare(data, BatchOptions(input="in", output="out", model_name="m", servers=("http://h:1",), **changes))


def pixels(data: bytes, **changes: object) -> np.ndarray:
    return np.asarray(decoded(prepared(data, **changes).parts[0]))


def why_not(data: bytes) -> tuple[str, str]:
    with pytest.raises(PictureError) as refused:
        prepared(data)
    return refused.value.kind, refused.value.reason


def grey_page(grey: int, side: int = 8, **more: object) -> TiffPage:
    return TiffPage(side, side, bytes([grey]) * side * side, **more)  # type: ignore[arg-type] # tests name real fields


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_whose_first_directory_is_a_preview_gives_its_full_picture(order: str) -> None:
    data = tiff_file([grey_page(9, 4, reduced=True), grey_page(200)], order)
    assert pixels(data).shape == (8, 8)
    assert prepared(data).note == ""


@pytest.mark.parametrize("photometric", [32803, 34892])
def test_a_camera_raw_file_is_unsupported_though_its_preview_decodes(photometric: int) -> None:
    sensor = TiffPage(8, 8, bytes(128), bits=16, photometric=photometric)
    kind, reason = why_not(tiff_file([grey_page(9, 4, reduced=True, below=[sensor])]))
    assert kind == "unsupported"
    assert "camera RAW" in reason


def test_a_dng_is_known_by_its_version_tag() -> None:
    assert why_not(tiff_file([grey_page(9, tags={50706: 1})]))[0] == "unsupported"


@pytest.mark.parametrize(
    "start",
    [
        b"II*\0\x10\0\0\0CR\x02\0",
        b"IIU\0\x18\0\0\0",
        b"IIRO\x08\0\0\0",
        b"FUJIFILMCCD-RAW 0201",
        b"\0\0\0\x18ftypcrx \0\0\0\1",
    ],
)
def test_raw_files_with_a_signature_are_named(start: bytes) -> None:
    kind, reason = why_not(start + bytes(200))
    assert (kind, "camera RAW" in reason) == ("unsupported", True)


def test_one_page_of_several_is_noted() -> None:
    data = tiff_file([grey_page(10), grey_page(100), grey_page(200)])
    assert prepared(data).note == "page 1 of 3; the others were left out"
    assert prepared(data, animated="all").note == ""
    assert len(prepared(data, animated="all").parts) == 3


def test_a_chain_of_directories_that_leads_back_into_itself_ends() -> None:
    data = bytearray(tiff_file([grey_page(10)]))
    (first,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<I", data, len(data) - 4, first)
    assert read_pages(bytes(data)).pages == [0]


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_of_either_byte_order_are_the_same_picture(order: str) -> None:
    samples = np.linspace(0, 65535, 64).astype(order + "u2")
    given = pixels(tiff_file([TiffPage(8, 8, samples.tobytes(), bits=16)], order))
    assert np.abs(given.ravel().astype(int) - np.linspace(0, 255, 64)).max() <= 1


def test_a_stated_largest_sample_is_white() -> None:
    samples = np.full(64, 4095, "<u2").tobytes()
    assert pixels(tiff_file([TiffPage(8, 8, samples, bits=16, tags={281: 4095})])).min() == 255


def test_samples_of_twelve_bits_that_nothing_states_are_noted() -> None:
    samples = np.full(64, 4000, "<u2").tobytes()
    assert "16-bit samples stay below 4096" in prepared(tiff_file([TiffPage(8, 8, samples, bits=16)])).note


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("QOI", b"qoif" + bytes(30)),
        ("DDS", b"DDS \x7c\0\0\0" + bytes(30)),
        ("OpenEXR", b"\x76\x2f\x31\x01\x02\0\0\0" + bytes(30)),
        ("Radiance HDR", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n"),
        ("ICNS", b"icns\0\0\0\x20" + bytes(30)),
        ("SVG", b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x"/>'),
        ("EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"),
        ("SGI", b"\x01\xda\x00\x01\x00\x02" + bytes(30)),
        ("PCX", b"\x0a\x05\x01\x08" + struct.pack("<4H", 0, 0, 7, 7) + bytes(30)),
        ("CUR", b"\0\0\2\0\1\0 " + bytes(30)),
        ("TGA", b"\0\0\2" + bytes(9) + struct.pack("<HHBB", 4, 2, 24, 0) + bytes(24)),
        ("TGA", b"\0\0\x0a" + bytes(15) + b"anything TRUEVISION-XFILE.\0"),
    ],
)  # fmt: skip
def test_a_picture_of_another_kind_is_unsupported_by_name(name: str, data: bytes) -> None:
    kind, reason = why_not(data)
    assert kind == "unsupported"
    assert f" {name} file" in reason


@pytest.mark.parametrize(
    "text", [b"<html><body>no drawing</body></html>", b"%!PS-Adobe-3.0\n%%Pages: 3\n", b"P3rhaps a letter", b"BMW"]
)
def test_a_text_is_not_an_image(text: bytes) -> None:
    assert identify(text) is None
    assert why_not(text)[0] == "not_an_image"


def photograph(**settings: object) -> bytes:
    return encoded(noise(4, (200, 200)), "JPEG", quality=90, **settings)


@pytest.mark.parametrize("settings", [{}, {"progressive": True}, {"optimize": True}])
@pytest.mark.parametrize("whole_share", [0.3, 0.5, 0.9])
def test_a_jpeg_whose_end_was_never_written_is_damaged(settings: dict[str, object], whole_share: float) -> None:
    whole = photograph(**settings)
    kept = int(len(whole) * whole_share)
    kind, reason = why_not(whole[:kept] + bytes(len(whole) - kept))
    assert kind == "damaged"
    assert "zero bytes stand where its pixels should be" in reason


def test_a_jpeg_with_a_lost_cluster_is_damaged() -> None:
    whole = photograph()
    at = len(whole) // 2
    assert why_not(whole[:at] + bytes(4096) + whole[at + 4096 :])[0] == "damaged"


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("settings", [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_blocks": 4}])
@pytest.mark.parametrize("colour", [0, 255])
def test_a_plain_jpeg_is_whole_however_its_tables_encode_it(
    mode: str, settings: dict[str, object], colour: int
) -> None:
    plain = Image.new(mode, (1500, 1500), (colour,) * len(mode) if mode == "RGB" else colour)
    assert missing_pixels(encoded(plain, "JPEG", **settings)) is None


def test_zeros_behind_a_jpeg_are_not_its_pixels() -> None:
    assert missing_pixels(photograph() + bytes(5000)) is None


def test_random_damage_of_a_jpeg_never_ends_in_another_error() -> None:
    shuffle = random.Random(7)  # no secret
    whole = photograph(optimize=True)
    for _ in range(300):
        damaged = bytearray(whole)
        at = shuffle.randrange(len(damaged))
        damaged[at : at + shuffle.randrange(200)] = bytes(shuffle.randrange(200))
        missing_pixels(bytes(damaged))


def with_chunk(data: bytes, kind: bytes, content: bytes, *, before_header: bool = False) -> bytes:
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    at = 8 if before_header else 33
    return data[:at] + chunk + data[at:]


def test_a_png_whose_header_is_not_its_first_chunk_has_no_made_up_size() -> None:
    header = read_header(with_chunk(png(1), b"tEXt", b"Comment\0x" * 9, before_header=True))
    assert header is not None
    assert (header.width, header.height, header.fits) == (0, 0, False)


def test_a_png_of_linear_light_is_brought_to_srgb() -> None:
    linear = Image.new("RGB", (4, 4), (55, 0, 255))
    data = with_chunk(encoded(linear), b"gAMA", struct.pack(">I", 100_000))
    assert pixels(data)[0, 0].tolist() == [128, 0, 255]  # 55 / 255 of the light is 128 in sRGB


@pytest.mark.parametrize("chunk", [(b"gAMA", struct.pack(">I", 45455)), (b"cICP", bytes([1, 13, 0, 1]))])
def test_a_png_that_states_srgb_keeps_its_pixels(chunk: tuple[bytes, bytes]) -> None:
    assert np.array_equal(pixels(with_chunk(png(3), *chunk)), np.asarray(noise(3)))


def test_a_png_of_display_p3_is_brought_to_srgb() -> None:
    data = with_chunk(encoded(Image.new("RGB", (4, 4), (128, 128, 128))), b"cICP", bytes([12, 13, 0, 1]))
    assert np.abs(pixels(data).astype(int) - 128).max() <= 1  # grey is grey in both
    green = with_chunk(encoded(Image.new("RGB", (4, 4), (117, 251, 76))), b"cICP", bytes([12, 13, 0, 1]))
    assert pixels(green)[0, 0].tolist()[0] < 20  # nearly the pure green of sRGB


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_an_hdr_png_is_unsupported(transfer: int, name: str) -> None:
    kind, reason = why_not(with_chunk(png(3), b"cICP", bytes([9, transfer, 0, 1])))
    assert kind == "unsupported"
    assert f"HDR picture ({name})" in reason


def test_a_size_above_all_limits_is_reported_with_the_limit_of_the_user() -> None:
    data = bytearray(encoded(Image.new("L", (8, 8)), "BMP"))
    struct.pack_into("<ii", data, 18, 30000, 30000)
    kind, reason = why_not(bytes(data))
    assert kind == "too_large"
    assert "64" in reason
    assert "bomb" not in reason
