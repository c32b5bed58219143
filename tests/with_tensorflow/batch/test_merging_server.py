"""Runs and releases on a server with --enable_batching: TensorFlow's own words, its own merging, all at once."""

from __future__ import annotations

import json
import shutil
import struct
import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tendies_ops.export import export_model
from tendies_ops.files import digest_of_digests
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.publish.history import read_history
from tendies_ops.release import ReleaseReport, release_model
from tendies_ops.spec import ModelSpec, ReleaseSpec
from tendies_ops.spec.manifest import MANIFEST_PATH, digest_version_files
from tendies_ops.spec.release_spec import SwapLimits
from tests.support.model_server import RunningServer, start_model_server
from tests.support.sample_pictures import encoded, noise

PICTURES = 16  # of each kind
PARAMETERS = {
    "default": "",
    "60 ms": """
        max_batch_size { value: 64 }
        batch_timeout_micros { value: 60000 }
        num_batch_threads { value: 2 }
        max_enqueued_batches { value: 1000 }
    """,
}
#: Each version stays loaded until the runs that have begun with it are over.
CONFIG = """
model_config_list { config {
    name: "same" base_path: "%s" model_platform: "tensorflow" model_version_policy { latest { num_versions: 30 } }
} }
"""
OPTIONS = ReleaseSpec(limits=SwapLimits(max_failed_requests=0))


@dataclass
class Merging:
    """A server that serves a network which changes nothing, and an export of it to release."""

    server: RunningServer
    base: Path
    export: Path


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    folder = tmp_path_factory.mktemp("export")
    keras.Sequential([keras.Input((None, None, 3)), keras.layers.Activation("linear")]).save(folder / "same.keras")
    spec = ModelSpec.model_validate({"model_name": "same", "source": {"checkpoint": str(folder / "same.keras")}})
    export_model(spec, folder / "same")
    return folder / "same"


@pytest.fixture(params=sorted(PARAMETERS))
def merging(request: pytest.FixtureRequest, export: Path, tmp_path: Path) -> Iterator[Merging]:
    base = tmp_path / "base"
    shutil.copytree(export, base / "1")
    (tmp_path / "models").write_text(CONFIG % base)
    flags = [f"--model_config_file={tmp_path / 'models'}", "--file_system_poll_wait_seconds=0.2"]
    if PARAMETERS[request.param]:
        (tmp_path / "batching").write_text(PARAMETERS[request.param])
        flags.append(f"--batching_parameters_file={tmp_path / 'batching'}")
    with start_model_server("--enable_batching=true", *flags) as server:
        yield Merging(server, base, export)


def release(merging: Merging, candidate: Path, number: int) -> ReleaseReport:
    """Release the same network once more, as another content."""
    shutil.copytree(merging.export, candidate)
    (candidate / "assets.extra" / "number").write_text(str(number))
    digests = digest_version_files(candidate)
    manifest = json.loads((candidate / MANIFEST_PATH).read_bytes())
    manifest["files"] = {name: {"sha256": one.sha256, "size_bytes": one.size_bytes} for name, one in digests.items()}
    manifest["model_digest"] = digest_of_digests(digests)
    (candidate / MANIFEST_PATH).write_text(json.dumps(manifest))
    return release_model(candidate, merging.base, [merging.server.url], options=OPTIONS)


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
    places = {"input": str(pictures), "output": str(folder / "out")}
    return run_batch(BatchOptions(**places, model_name="same", servers=(url,), max_batch_size=4))


def check(report: BatchReport) -> None:
    assert (report.done, report.failed) == (PICTURES, PICTURES)
    assert {failure.input for failure in report.failures} == {f"{n:03}-then-bad.png" for n in range(PICTURES)}
    assert all("it does not decode" in failure.reason for failure in report.failures)


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_three_runs_and_a_release_at_once_blame_no_good_picture_and_no_good_version(
    merging: Merging, tmp_path: Path, times: int
) -> None:
    """Runs begin all the time, also with a version that is being proved: half of their pictures the model refuses."""
    all_released = threading.Event()

    def run_again_and_again(name: str) -> list[BatchReport]:
        reports: list[BatchReport] = []
        while len(reports) < times or not all_released.is_set():
            reports.append(run(tmp_path / f"{name}{len(reports)}", merging.server.url))
        return reports

    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(run_again_and_again, name) for name in "abc"]
        try:
            released = [release(merging, tmp_path / f"candidate-{number}", number) for number in range(times)]
        finally:
            all_released.set()
        reports = [report for one in runs for report in one.result()]

    assert len(reports) >= 3 * times
    for report in reports:
        check(report)
    assert [(one.version, one.state) for one in released] == [(n + 2, "released") for n in range(times)]
    assert [one.swap["failed_by_swap"] for one in released] == [0] * times
    assert [record for record in read_history(merging.base) if record.event == "withdrawn"] == []
    print(f"{len(reports)} runs with versions {sorted({report.version for report in reports})}")
