"""Runs on a server with --enable_batching: TensorFlow's own words, its own merging, and several runs at once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tendies_ops.export import export_model
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.spec import ModelSpec
from tests.support.model_server import RunningServer, start_model_server
from tests.support.sample_pictures import encoded, noise

PICTURES = 16  # of each kind
PARAMETERS = """
max_batch_size { value: 64 }
batch_timeout_micros { value: 60000 }
num_batch_threads { value: 2 }
max_enqueued_batches { value: 1000 }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Serves a network that changes nothing; a batch waits 60 ms for others."""
    import keras

    folder = tmp_path_factory.mktemp("merging")
    keras.Sequential([keras.Input((None, None, 3)), keras.layers.Activation("linear")]).save(folder / "same.keras")
    spec = ModelSpec.model_validate({"model_name": "same", "source": {"checkpoint": str(folder / "same.keras")}})
    export_model(spec, folder / "base" / "1")
    (folder / "batching").write_text(PARAMETERS)
    flags = [f"--model_base_path={folder / 'base'}", f"--batching_parameters_file={folder / 'batching'}"]
    with start_model_server("--model_name=same", "--enable_batching=true", *flags) as running:
        yield running


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def broken_png(number: int) -> bytes:
    """Whole by its headers; its pixels do not decompress, which only the model can tell."""
    head = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)
    pixels = bytes([0x78, 0x9C]) + bytes(255 - byte for byte in range(40)) + struct.pack(">I", number)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def run(folder: Path, url: str) -> BatchReport:
    pictures = folder / "in"
    pictures.mkdir(parents=True)
    for number in range(PICTURES):
        (pictures / f"{number:03}-good.jpg").write_bytes(encoded(noise(number, (64, 48)), "JPEG"))
        (pictures / f"{number:03}-then-bad.png").write_bytes(broken_png(number))
    return run_batch(
        BatchOptions(
            input=str(pictures), output=str(folder / "out"), model_name="same", servers=(url,), max_batch_size=4
        )
    )


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_three_runs_at_once_blame_no_good_picture_and_none_is_stopped(
    server: RunningServer, tmp_path: Path, times: int
) -> None:
    for time in range(times):
        folders = [tmp_path / f"{time}-{name}" for name in "abc"]
        with ThreadPoolExecutor(len(folders)) as pool:
            reports = list(pool.map(lambda folder: run(folder, server.url), folders))
        for report in reports:
            assert (report.done, report.failed) == (PICTURES, PICTURES)
            assert {failure.input for failure in report.failures} == {
                f"{number:03}-then-bad.png" for number in range(PICTURES)
            }
            assert all("it does not decode" in failure.reason for failure in report.failures)
