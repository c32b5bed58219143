"""Formats that need a plugin: processed where it is installed, and named with its package where it is not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.plugins import jpeg_xl_size, load_plugin
from tendies_ops.inference.picture.prepare import Prepared, prepare

#: Start of a HEIC file, and a JPEG XL codestream of 60 x 40: sides up to 512, no ratio.
HEIC = b"\x00\x00\x00\x1cftypheic\x00\x00\x00\x00mif1heic" + bytes(64)
JPEG_XL = b"\xff\x0a" + (0 | 0 << 1 | 39 << 3 | 0 << 12 | 0 << 15 | 59 << 17).to_bytes(8, "little") + bytes(64)


def prepared(data: bytes, **changes: object) -> Prepared:
    return prepare(data, BatchOptions(input="in", output="out", model_name="m", servers=("http://h:1",), **changes))


@pytest.fixture
def no_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the plugins, installed or not."""
    for name in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, name, None)
    load_plugin.cache_clear()
    yield
    load_plugin.cache_clear()


@pytest.mark.usefixtures("no_plugins")
@pytest.mark.parametrize(("data", "name"), [(HEIC, "HEIF"), (JPEG_XL, "JPEG XL")])
def test_without_its_plugin_a_picture_is_unsupported_and_the_package_is_named(data: bytes, name: str) -> None:
    with pytest.raises(PictureError, match=rf"{name}.*airflow-provider-tendies\[heif\]") as refused:
        prepared(data)
    assert refused.value.kind == "unsupported"


def test_the_size_of_a_jpeg_xl_file_is_read_from_its_header_bare_and_in_boxes() -> None:
    box = b"\x00\x00\x00\x0cJXL \r\n\x87\n" + (8 + len(JPEG_XL)).to_bytes(4, "big") + b"jxlc" + JPEG_XL
    assert jpeg_xl_size(JPEG_XL) == (60, 40)
    assert jpeg_xl_size(box) == (60, 40)
    assert jpeg_xl_size(JPEG_XL[:5]) is None
    assert jpeg_xl_size(box[:20]) is None


def test_a_jpeg_xl_file_of_too_many_pixels_is_refused_before_its_plugin_sees_it() -> None:
    huge = b"\xff\x0a" + (0 | 3 << 1 | (1 << 29) << 3 | 1 << 33).to_bytes(8, "little") + bytes(64)
    with pytest.raises(PictureError) as refused:
        prepared(huge)
    assert refused.value.kind == "too_large"


@pytest.mark.timeout(180)
def test_heic_and_jpeg_xl_are_processed_where_their_plugins_are_installed(tmp_path: Path) -> None:
    """In a process and a folder of their own: this environment has to stay without them."""
    needs = map(Requirement, requires("airflow-provider-tendies") or ())
    plugins = [f"{one.name}{one.specifier}" for one in needs if one.marker and one.marker.evaluate({"extra": "heif"})]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([*pip, *plugins], check=True)
    own_tests = [sys.executable, "-m", "pytest", "-q", "-n", "0", str(Path(__file__).with_name("with_plugins.py"))]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        own_tests, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert "\n2 passed" in done.stdout, done.stdout
