"""Hostile files among good ones, through a real TensorFlow graph: every file has its outcome, no good one suffers."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, UnidentifiedImageError

from tendies_ops.inference.ledger.outcomes import PictureError
from tendies_ops.inference.listing.other_files import has_other_extension
from tendies_ops.inference.options import BatchOptions
from tendies_ops.inference.picture.prepare import prepare
from tests.support.model_server import RunningServer, start_model_server
from tests.support.real_shift import make_export
from tests.support.sample_pictures import encoded, noise, png

HOSTILE = Path(__file__).parents[4] / "shared" / "data" / "hostile-images"
NAME = "real_shift"
GOOD = 200
MAX_MEGAPIXELS = 16
IN_FLIGHT_MIB = 64
#: docs/reference/batch.md: the program, what is in flight, two pictures being decoded at 12 bytes a pixel.
BOUND_MIB = 100 + IN_FLIGHT_MIB + 2 * MAX_MEGAPIXELS * 12

#: Its sRGB chunk is cut short and all pixels are there: TensorFlow reads it, and Pillow does not.
WHOLE_WITH_A_BROKEN_TAG = {"4c5b82ba0a9c12356007bd71e52185b2.png"}

needs_hostile = pytest.mark.skipif(not HOSTILE.is_dir(), reason=f"the hostile images are not at {HOSTILE}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    base = tmp_path_factory.mktemp("base")
    make_export(base / "1", by=10, model_name=NAME)
    with start_model_server(f"--model_name={NAME}", f"--model_base_path={base}") as running:
        yield running


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good") / "good"
    folder.mkdir()
    for number in range(GOOD):
        data = png(number, (32, 24)) if number % 2 else encoded(noise(number, (40, 30)), "JPEG")
        (folder / f"{number:03}.{'png' if number % 2 else 'jpg'}").write_bytes(data)
    return folder


# VmHWM and not getrusage: the latter remembers what the process that forked it, with TensorFlow inside, took.
COMMAND = """
import atexit, pathlib, sys
from tendies_ops.cli.main import main
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: pathlib.Path(STATUS_FILE).write_text(status.read_text()))
sys.exit(main())
"""


def run(server: RunningServer, source: Path, target: Path) -> tuple[dict[str, Any], float]:
    """The command's summary, and its peak memory in MiB."""
    words = ["batch", str(source), str(target), "--server", server.url, "--model", NAME, "--json"]
    words += ["--max-megapixels", str(MAX_MEGAPIXELS), "--max-mib-in-flight", str(IN_FLIGHT_MIB), "--no-provenance"]
    words += ["--max-failed", "0.99"]
    script = COMMAND.replace("STATUS_FILE", repr(f"{target}.status"))
    done = subprocess.run([sys.executable, "-c", script, *words], stdout=subprocess.PIPE, timeout=250, check=False)
    assert done.returncode in {0, 3}
    status = Path(f"{target}.status").read_text()
    (peak_kib,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    return json.loads(done.stdout), int(peak_kib) / 1024


def is_true(record: dict[str, Any], file: Path) -> bool:
    """Judge an outcome by another decoder, which reads the file from the disk and stops at any damage."""
    read = read_strictly(file)
    if record["outcome"] == "done":
        return read == "whole" or file.name in WHOLE_WITH_A_BROKEN_TAG
    if record["kind"] == "too_large":
        return "the limit" in record["reason"] and str(MAX_MEGAPIXELS) in record["reason"]
    if record["kind"] == "unsupported":
        return bool(re.match(r"it is an? [A-Z]{2,4}", record["reason"]))
    wanted = {"damaged": {"damaged", "unknown"}, "not_an_image": {"unknown"}}
    return read in wanted.get(record["kind"], set())


def read_strictly(file: Path) -> str:
    try:
        with Image.open(file) as image:
            image.load()
    except UnidentifiedImageError:
        return "unknown"
    except Image.DecompressionBombError:
        return "too large"
    except (OSError, ValueError, SyntaxError):
        return "damaged"
    return "whole"


def results(target: Path, below: str = "") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((target / below).glob("*.png"))}


@needs_hostile
@pytest.mark.shared_data
def test_hostile_files_cost_only_themselves(server: RunningServer, good: Path, tmp_path: Path) -> None:
    alone, _ = run(server, good, tmp_path / "alone")
    assert (alone["done"], alone["failed"]) == (GOOD, 0)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "good").symlink_to(good)
    (mixed / "hostile").symlink_to(HOSTILE)
    summary, peak_mib = run(server, mixed, tmp_path / "out")

    assert results(tmp_path / "out", "good") == results(tmp_path / "alone")
    files = [path for path in HOSTILE.rglob("*") if path.is_file()]
    ignored = [path for path in files if has_other_extension(path.name)]
    assert summary["ignored"] == len(ignored)
    assert summary["total"] == GOOD + len(files) - len(ignored)
    assert summary["total"] == summary["done"] + summary["failed"]
    lines = (tmp_path / "out" / ".tendies" / "ledger.jsonl").read_bytes().splitlines()
    records = [json.loads(line) for line in lines]
    assert len({(r["input"], r.get("input_b64")) for r in records}) == len(records) == summary["total"]
    failed = [record for record in records if record["outcome"] == "failed"]
    assert all(record["kind"] and len(record["reason"]) > 8 for record in failed)
    assert not {record["kind"] for record in failed} & {"server_error", "bad_output", "unwritable", "unreadable"}
    untrue = [(r["input"], r.get("kind"), r.get("reason")) for r in records if not is_true(r, mixed / r["input"])]
    assert untrue == []
    assert peak_mib < BOUND_MIB


@needs_hostile
@pytest.mark.shared_data
def test_no_hostile_file_takes_long_to_prepare() -> None:
    options = BatchOptions(input="i", output="o", model_name="m", servers=("http://h:1",), animated="all")
    slowest = 0.0
    for path in HOSTILE.rglob("*"):
        if path.is_file():
            started_s = time.thread_time()
            with contextlib.suppress(PictureError):
                prepare(path.read_bytes(), options)
            slowest = max(slowest, time.thread_time() - started_s)
    assert slowest < 5.0
