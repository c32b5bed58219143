"""Magenta's network of 26 styles, style by style: as if each had been exported alone, and as safe as any batch."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.client import ModelServerClient
from tendies_ops.export import export_model
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.inference.several_runs.fan_out import read_combinations, run_fan_out
from tendies_ops.inference.upkeep.replay_picture import replay
from tendies_ops.spec import ModelSpec, load_spec
from tests.support.model_server import start_model_server

pytestmark = [pytest.mark.shared_data, pytest.mark.slow, pytest.mark.timeout(1800)]

TENDIES = Path(sys.executable).with_name("tendies")
SPEC = Path(__file__).parents[1] / "export" / "specs" / "magenta_any_style.yaml"
STYLES, PHOTOGRAPHS, KILLS = 26, 10, 50
_ALL = f"style=0..{STYLES - 1}"


@pytest.fixture(scope="module")
def spec(shared_data: Path) -> ModelSpec:
    assert shared_data.is_dir()
    return load_spec(SPEC)


@pytest.fixture(scope="module")
def photographs(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    places = (shared_data / "photos" / "kodak", shared_data / "photos" / "skimage")
    found = [path for place in places for path in sorted(place.iterdir()) if path.suffix in (".png", ".jpg")]
    for path in found[:PHOTOGRAPHS]:
        with Image.open(path) as image:
            image.convert("RGB").resize((96, 64)).save(folder / f"{path.stem}.png")
    assert len(list(folder.iterdir())) == PHOTOGRAPHS
    return folder


@pytest.fixture(scope="module")
def options(spec: ModelSpec, photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BatchOptions]:
    folder = tmp_path_factory.mktemp("styles")
    export_model(spec, folder / "models" / "1")
    with start_model_server(f"--model_name={spec.model_name}", f"--model_base_path={folder / 'models'}") as server:
        yield BatchOptions(
            input=str(photographs),
            output=str(folder / "out"),
            model_name=spec.model_name,
            servers=(server.url,),
            model_base_path=str(folder / "models"),
        )


def fan_out(options: BatchOptions, styles: int) -> list[BatchReport]:
    return list(run_fan_out(options, read_combinations([f"style=0..{styles - 1}"]), run_batch).values())


def results(options: BatchOptions, style: int) -> dict[str, Path]:
    return {path.stem: path for path in (Path(options.output) / f"style={style}").glob("*.png")}


def pixels(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def alone(spec: ModelSpec, style: int, photographs: Path, folder: Path) -> dict[str, NDArray[np.uint8]]:
    """Export the network with one style as a constant, and run it without a server."""
    import tensorflow as tf

    document = spec.model_dump(mode="json")
    document["contract"]["extra_inputs"] = {}
    document["source"]["constants"] = {"style_num": [float(number == style) for number in range(STYLES)]}
    export_model(ModelSpec.model_validate(document), folder)
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    return {
        path.stem: pixels(next(iter(signature(**{name: tf.constant([path.read_bytes()])}).values())).numpy()[0])
        for path in photographs.iterdir()
    }


def test_each_of_26_styles_gives_the_pixels_of_an_export_of_that_style_alone(
    spec: ModelSpec, options: BatchOptions, photographs: Path, tmp_path: Path
) -> None:
    first = fan_out(options, STYLES - 1)
    assert sum(report.done for report in first) == (STYLES - 1) * PHOTOGRAPHS

    one_more = fan_out(options, STYLES)
    assert sum(report.done for report in one_more) == PHOTOGRAPHS
    assert sum(report.skipped for report in one_more) == (STYLES - 1) * PHOTOGRAPHS
    assert [report.requests for report in fan_out(options, STYLES)] == [0] * STYLES

    for style in range(STYLES):
        wanted = alone(spec, style, photographs, tmp_path / str(style))
        got = results(options, style)
        assert got.keys() == wanted.keys()
        unequal = [name for name in got if not np.array_equal(pixels(got[name].read_bytes()), wanted[name])]
        assert unequal == [], f"style {style}"


def test_a_result_of_each_style_is_reproduced_exactly(options: BatchOptions) -> None:
    fan_out(options, STYLES)
    with ModelServerClient(options.servers[0]) as client:
        for style in range(STYLES):
            name, result = next(iter(results(options, style).items()))
            assert replay(result, Path(options.input) / f"{name}.png", client).verdict == "exact"


def killed_run(command: list[str], after_s: float) -> bool:
    """Run a command, kill it after some time, and return True if it had not ended before."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        try:
            assert run.wait(after_s) == 0
        except subprocess.TimeoutExpired:
            run.kill()
            return True
    return False


def assert_each_is_recorded_once(output: Path, photographs: Path) -> None:
    names = sorted(path.name for path in photographs.iterdir())
    for style in range(STYLES):
        folder = output / f"style={style}"
        assert sorted(path.name for path in folder.glob("*.png")) == names
        lines = [json.loads(line) for line in (folder / ".tendies" / "ledger.jsonl").read_text().splitlines()]
        assert sorted(line["input"] for line in lines if line["outcome"] == "done") == names


def test_a_fan_out_that_is_killed_fifty_times_does_every_picture_of_every_style_once(
    options: BatchOptions, photographs: Path, tmp_path: Path
) -> None:
    where = (
        "--server",
        options.servers[0],
        "--model",
        options.model_name,
        "--model-base-path",
        options.model_base_path,
    )
    dice = random.Random(26)
    kills = completed = 0
    while kills < KILLS:
        output = tmp_path / str(completed)
        command = [str(part) for part in (TENDIES, "batch", photographs, output, *where, "--fan-out", _ALL)]
        if killed_run(command, dice.uniform(1, 5)):
            kills += 1
        else:
            completed += 1
            assert_each_is_recorded_once(output, photographs)
    print(f"{kills} runs were killed, {completed} folders were completed")
    assert completed > 1
