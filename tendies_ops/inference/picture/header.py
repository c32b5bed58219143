"""
The format and size of a file by its first bytes and headers; its name is ignored.

Only headers are read: a picture that already fits travels as it is, and decoding it here would cost ten times the rest.
Sources: PNG specification (W3C, third edition) 5 and 11; JPEG ITU-T T.81 annex B; Exif 2.32 4.6.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tendies_ops.inference.picture.plugins import jpeg_xl_size

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"IIU\x00", "camera RAW (RW2)"),
    (b"IIRO", "camera RAW (ORF)"),
    (b"IIRS", "camera RAW (ORF)"),
    (b"MMOR", "camera RAW (ORF)"),
    (b"FUJIFILMCCD-RAW", "camera RAW (RAF)"),
    (b"FOVb", "camera RAW (X3F)"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"qoif", "QOI"),
    (b"DDS ", "DDS"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE\n", "Radiance HDR"),
    (b"#?RGBE\n", "Radiance HDR"),
    (b"icns", "ICNS"),
    (b"BLP1", "BLP"),
    (b"BLP2", "BLP"),
    (b"gimp xcf ", "XCF"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"AT&TFORM", "DjVu"),
)
_ISO_BRANDS = {
    b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIF", b"heix": "HEIF", b"mif1": "HEIF", b"msf1": "HEIF",
    b"heim": "HEIF", b"heis": "HEIF", b"hevc": "HEIF", b"hevx": "HEIF", b"crx ": "camera RAW (CR3)",
}  # fmt: skip
_PCX_STARTS = frozenset(bytes((10, version, 1, depth)) for version in (0, 2, 3, 4, 5) for depth in (1, 2, 4, 8))
_SVG_SEARCH_BYTES = 1000
_SVG_ROOT = re.compile(rb"<svg[\s>]")
_TGA_FOOTER = b"TRUEVISION-XFILE.\x00"
_PPM_KINDS = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
_SRGB_GAMMA = struct.pack(">I", 45455)
_PNG_COLOURS_THAT_FIT = {0, 2}  # grey and RGB, without palette or alpha
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive: what every decoder takes
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})  # JPEG markers without a length


@dataclass(frozen=True, slots=True)
class Header:
    """The facts in the headers."""

    format: str
    width: int = 0  #: 0: unknown before decoding
    height: int = 0
    fits: bool = False  #: whole, upright, 8-bit grey or RGB, sRGB or untagged: may travel byte for byte

    @property
    def megapixels(self) -> float:
        """Return the size of the first frame."""
        return self.width * self.height / 1e6


def identify(start: bytes) -> str | None:
    """
    Return the format's name, or None if it is not a known image format.

    :param start: the first 20 bytes of a file or more; SVG and EPS take up to 1,000.
    """
    for magic, name in _MAGIC:
        if start.startswith(magic):
            return "camera RAW (CR2)" if name == "TIFF" and start[8:10] == b"CR" else name
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        return _ISO_BRANDS.get(start[8:12])
    return _identify_without_signature(start)


def _identify_without_signature(start: bytes) -> str | None:
    """Check more than the first letters: plenty of texts begin with those of a picture."""
    if start[:2] == b"BM" and start[15:18] == b"\x00\x00\x00":
        return "BMP"
    if start[:1] == b"P" and start[1:2] in _PPM_KINDS and start[2:3].isspace():
        return "PPM"
    if start[:4] == b"\x00\x00\x02\x00" and start[4:6] != b"\x00\x00":  # zeros there make it an uncompressed TGA
        return "CUR"
    if start[:4] in _PCX_STARTS and start[4:8] <= start[8:12] and len(start) >= 12:
        return "PCX"
    if start[:2] == b"\x01\xda" and start[2:3] in b"\x00\x01" and start[3:4] in b"\x01\x02":
        return "SGI"
    if start.startswith(b"%!PS-Adobe-") and b"EPSF" in start[:40]:
        return "EPS"
    text = start[:_SVG_SEARCH_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    return "SVG" if text.startswith(b"<") and _SVG_ROOT.search(text) else None


def read_header(data: bytes) -> Header | None:
    """Identify a whole file and, for PNG and JPEG, read what decides whether it fits."""
    name = identify(data[:_SVG_SEARCH_BYTES])
    if name is None:
        return Header("TGA") if data.endswith(_TGA_FOOTER) or _is_plain_tga(data) else None
    try:
        if name == "PNG":
            return _png_header(data)
        if name == "JPEG":
            return _jpeg_header(data)
        if name == "JPEG XL" and (size := jpeg_xl_size(data)):
            return Header(name, *size)
    except (struct.error, IndexError):
        pass  # too short for its own headers: decoding it will report what is wrong
    return Header(name)


def _is_plain_tga(data: bytes) -> bool:
    """Recognise an uncompressed TGA file without a footer: its header's numbers add up to the file's size."""
    if len(data) < 18 or data[1] > 1 or data[2] not in {1, 2, 3} or data[16] not in {8, 15, 16, 24, 32}:
        return False
    palette_length, palette_bits = struct.unpack_from("<HB", data, 5)
    width, height = struct.unpack_from("<HH", data, 12)
    pixel_bytes = width * height * ((data[16] + 7) // 8)
    whole_bytes: int = 18 + data[0] + palette_length * ((palette_bits + 7) // 8) + pixel_bytes
    return pixel_bytes > 0 and len(data) == whole_bytes


def _png_header(data: bytes) -> Header:
    if data[12:16] != b"IHDR":
        return Header("PNG")  # another chunk comes first, which the specification forbids and decoders accept
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if depth != 8 or colour not in _PNG_COLOURS_THAT_FIT or not data.endswith(b"IEND\xaeB`\x82"):
        return Header("PNG", width, height)
    kind = b""
    for kind, content in png_chunks_before_pixels(data):
        if not _png_chunk_fits(kind, content):
            return Header("PNG", width, height)
    return Header("PNG", width, height, fits=kind == b"IDAT")


def png_chunks_before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of the chunks of a PNG file, up to the first one of pixels, which comes without any."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            yield kind, b""
            return
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _png_chunk_fits(kind: bytes, content: bytes) -> bool:
    if kind in {b"tRNS", b"acTL", b"cICP", b"gAMA"}:
        return kind == b"gAMA" and content == _SRGB_GAMMA
    if kind == b"iCCP":
        return b"sRGB" in content[:80]
    if kind == b"eXIf":
        return exif_orientation(content) == 1
    return kind != b"iTXt" or b"tiff:Orientation" not in content  # XMP may turn a picture too


def _jpeg_header(data: bytes) -> Header:
    width = height = 0
    fits = data.endswith(b"\xff\xd9")
    at = 2
    while True:
        marker = data[at + 1]
        if data[at] != 0xFF:
            return Header("JPEG", width, height)
        if marker == 0xFF or marker in _ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in {0xDA, 0xD9}:  # the pixels begin
            return Header("JPEG", width, height, fits and width > 0)
        (length,) = struct.unpack_from(">H", data, at + 2)
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            depth, height, width, channels = struct.unpack_from(">BHHB", data, at + 4)
            fits = fits and marker in _FRAME_HEADERS and depth == 8 and channels in {1, 3}
        elif 0xE1 <= marker <= 0xE2:
            fits = fits and _jpeg_segment_fits(data[at + 4 : at + 2 + length])
        at += 2 + length


def _jpeg_segment_fits(segment: bytes) -> bool:
    if segment.startswith(b"Exif\x00\x00"):
        return exif_orientation(segment[6:]) == 1
    if segment.startswith(b"ICC_PROFILE\x00"):
        return b"sRGB" in segment or b"s\x00R\x00G\x00B" in segment
    return b"tiff:Orientation" not in segment


def exif_orientation(exif: bytes) -> int:
    """
    Return the orientation tag of a TIFF header and its first directory.

    :return: 1 (upright) if it is absent or cannot be read; 2 to 8 else.
    """
    order = "<" if exif[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, at)
        for entry in range(at + 2, at + 2 + 12 * min(count, 1000), 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == 0x0112 and kind == 3:
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
