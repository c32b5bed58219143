"""Whether a server's words can be about a file."""

from __future__ import annotations

import pytest

from tendies_ops.client.refusals import Fit, fit_of_words

PNG = b"\x89PNG\r\n\x1a\n" + bytes(246)
JPEG = b"\xff\xd8\xff" + bytes(397)


@pytest.mark.parametrize(
    ("words", "file", "fit"),
    [
        ("Invalid PNG data, size 254", PNG, "its"),
        ("Invalid PNG data, size 254\n\t [[{{node DecodePng}}]]", PNG, "its"),
        ("Invalid PNG data, size 253", PNG, "foreign"),
        ("Invalid PNG data, size 400", JPEG, "foreign"),
        ("Invalid JPEG data or crop window, data size 400", JPEG, "its"),
        ("Invalid JPEG data or crop window, data size 40000", JPEG, "foreign"),
        ("Incomplete BMP content, requires at least 32 bytes to find the header size, got 254 bytes", PNG, "foreign"),
        ("Invalid PNG. Failed to initialize decoder.", PNG, "open"),
        ("Invalid PNG. Failed to initialize decoder.", JPEG, "foreign"),
        ("Unknown image file format. One of JPEG, PNG, GIF, BMP required.", PNG, "open"),
        ("Not a PNG or JPEG file (by its first bytes): picture number 0 of this request.", JPEG, "foreign"),
        ("assertion failed: [... picture number] [0] [of this request has 70 megapixels]", PNG, "open"),
        ("assertion failed: [... picture number] [3] [of this request has 70 megapixels]", PNG, "foreign"),
        ("input size does not match signature: 1!=2", PNG, "open"),
        ("Shapes of all inputs must match: values[0].shape = [16,16,3]", PNG, "open"),
        ("Invalid image", PNG, "open"),
        ("", b"", "open"),
    ],
)
def test_words_are_held_against_size_format_and_place(words: str, file: bytes, fit: Fit) -> None:
    assert fit_of_words(words, file) == fit
