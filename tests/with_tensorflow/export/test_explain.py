"""``--explain``: what one picture is at each station of its road."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tendies_ops.export.pipeline import export_to
from tests.support.pixels import png, random_pixels
from tests.with_tensorflow.export.test_sources import CONTRACT, by_hand, small_spec

PIXELS = random_pixels(5, 7)
STATIONS = [
    "file",
    "decoded",
    "at the network's size",
    "network input",
    "network output `output`",
    "clipped to pixels",
    "answer `output_bytes`",
]


@pytest.fixture(scope="module")
def road(small_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of an export of the small network, proved on one picture of 5 x 7."""
    folder = tmp_path_factory.mktemp("explain")
    golden = folder / "golden"
    golden.mkdir()
    (golden / "noise.png").write_bytes(png(PIXELS))
    contract = {"input": {**CONTRACT["input"], "multiple_of": 4}, "output": CONTRACT["output"]}
    spec = small_spec(small_sources, {"checkpoint": "frozen.pb"}, contract, golden=[golden / "noise.png"])
    lines: list[str] = []
    (folder / "out").mkdir()
    export_to(folder / "out", spec, lines.append, explain=True)
    start = next(number for number, line in enumerate(lines) if line.startswith("The way of the golden image noise"))
    return lines[start + 1 : start + 1 + len(STATIONS)]


def figures(line: str) -> list[float]:
    """Give least, mean and greatest value of a station."""
    found = re.search(r"min (\S+)  mean (\S+)  max (\S+)$", line)
    assert found is not None, line
    return [float(number) for number in found.groups()]


def test_the_road_has_every_station_in_order(road: list[str]) -> None:
    assert [line[2:28].strip() for line in road] == STATIONS


def test_each_station_tells_dtype_and_shape(road: list[str]) -> None:
    told = [line[28:].split("  ")[0].strip() for line in road]
    assert told[0] == f"{len(png(PIXELS))} bytes"
    assert told[1:6] == [
        "uint8 [5, 7, 3]",
        "uint8 [8, 8, 3]",
        "float32 [1, 8, 8, 3]",
        "float32 [1, 8, 8, 3]",
        "uint8 [1, 8, 8, 3]",
    ]
    assert told[6].endswith(" bytes")


def test_each_station_tells_least_mean_and_greatest_value(road: list[str]) -> None:
    assert figures(road[1]) == pytest.approx([PIXELS.min(), PIXELS.mean(), PIXELS.max()], rel=1e-4)
    padded = np.pad(PIXELS, [(0, 3), (0, 1), (0, 0)], mode="reflect")
    assert figures(road[2]) == pytest.approx([padded.min(), padded.mean(), padded.max()], rel=1e-4)
    network_input = padded / 127.5 - 1
    assert figures(road[3]) == pytest.approx(
        [network_input.min(), network_input.mean(), network_input.max()], rel=1e-3, abs=1e-4
    )
    answer = by_hand(padded)
    assert figures(road[5]) == pytest.approx([answer.min(), answer.mean(), answer.max()], abs=1)
