"""A network with a style and a strength: exported, served, run with parameters by run, by folder and all at once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import UsageError
from tendies_ops.export import export_model
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.inference.several_runs.fan_out import MATRIX_NAME, read_combinations, run_fan_out
from tendies_ops.inference.upkeep.replay_picture import replay
from tendies_ops.spec import ModelSpec
from tests.support.model_server import start_model_server

TENDIES = Path(sys.executable).with_name("tendies")
#: Three styles: leave it, take the red out, take all but the red out. The strength mixes in the original.
MASKS = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 0]], np.float32)


def write_graph(path: Path) -> None:
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        image = tf1.placeholder(tf.float32, [None, None, None, 3], name="image")
        style = tf1.placeholder(tf.float32, [None, 3], name="style")
        strength = tf1.placeholder(tf.float32, [None], name="strength")
        mask = tf.matmul(style, tf.constant(MASKS))[:, tf.newaxis, tf.newaxis, :]
        amount = strength[:, tf.newaxis, tf.newaxis, tf.newaxis]
        tf.identity(image * (mask * amount + 1.0 - amount), name="painted")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def spec(graph: Path) -> ModelSpec:
    style = {"tensor": "style", "one_hot": 3, "choices": {"plain": 0, "cyan": 1, "red": 2}}
    strength = {"tensor": "strength", "minimum": 0, "maximum": 1, "default": 1}
    whole = {"range": {"low": 0, "high": 1}}
    return ModelSpec.model_validate(
        {
            "model_name": "styles",
            "source": {"checkpoint": str(graph), "input_tensor": "image", "output_tensors": {"output": "painted"}},
            "contract": {
                "input": whole,
                "output": whole,
                "extra_inputs": {"style": style, "strength": strength},
            },
        }
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("styles")
    write_graph(folder / "graph.pb")
    export_model(spec(folder / "graph.pb"), folder / "models" / "1")
    return folder / "models"


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[str]:
    with start_model_server("--model_name=styles", f"--model_base_path={models}") as running:
        yield running.url


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name in ("a.png", "winter/b.png", "winter/night/c.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(path)
    return tmp_path / "in"


@pytest.fixture
def options(server: str, models: Path, pictures: Path, tmp_path: Path) -> BatchOptions:
    return BatchOptions(
        input=str(pictures),
        output=str(tmp_path / "out"),
        model_name="styles",
        servers=(server,),
        model_base_path=str(models),
    )


def colour(path: Path) -> list[int]:
    with Image.open(path) as image:
        assert image.size == (8, 8)
        return [int(value) for value in np.asarray(image.convert("RGB"))[3, 3]]


def test_a_run_sends_its_parameters_and_the_defaults_of_the_others(options: BatchOptions) -> None:
    assert run_batch(options.replaced(parameters={"style": "cyan"})).done == 3
    assert colour(Path(options.output) / "a.png") == [0, 200, 200]


def test_folders_have_parameters_of_their_own_and_travel_in_one_request(options: BatchOptions) -> None:
    rules = {"winter/**": {"style": "red"}, "winter/night/**": {"strength": 0.5}}
    report = run_batch(options.replaced(parameters={"style": "plain"}, parameters_by_path=rules))
    out = Path(options.output)

    assert report.done == 3
    assert report.requests < 3
    assert colour(out / "a.png") == [200, 200, 200]
    assert colour(out / "winter/b.png") == [200, 0, 0]
    assert colour(out / "winter/night/c.png") == [200, 100, 100]


def test_a_picture_that_no_pattern_gives_a_value_to_fails_alone(options: BatchOptions) -> None:
    report = run_batch(options.replaced(parameters_by_path={"winter/**": {"style": "red"}}, max_failed=1))

    assert (report.done, report.failed) == (2, 1)
    assert "parameters_by_path" in report.failures[0].reason


def test_only_changed_parameters_make_pictures_again(options: BatchOptions) -> None:
    run_batch(options.replaced(parameters={"style": "red"}))

    assert run_batch(options.replaced(parameters={"style": "red"})).skipped == 3
    assert run_batch(options.replaced(parameters={"style": "cyan"})).done == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [({}, "style"), ({"style": "blue"}, "plain, cyan, red"), ({"style": 1, "strength": 2}, "up to 1")],
)
def test_parameters_that_cannot_be_end_the_run_before_anything_is_sent(
    options: BatchOptions, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        run_batch(options.replaced(parameters=values))
    assert not list(Path(options.output).glob("*.png"))


def test_without_the_manifest_the_server_tells_the_names(options: BatchOptions) -> None:
    blind = options.replaced(model_base_path=None)

    with pytest.raises(UsageError, match="strength"):
        run_batch(blind.replaced(parameters={"style": 1}))
    assert run_batch(blind.replaced(parameters={"style": 1, "strength": 0})).done == 3
    assert colour(Path(options.output) / "a.png") == [200, 200, 200]


def test_a_result_is_made_again_with_the_parameters_that_made_it(options: BatchOptions, pictures: Path) -> None:
    run_batch(options.replaced(parameters={"style": "red", "strength": 0.5}))

    with ModelServerClient(options.servers[0]) as client:
        again = replay(Path(options.output) / "a.png", pictures, client)

    assert again.verdict == "exact"
    assert again.facts["parameters"] == {"style": 2, "strength": 0.5}


def test_the_values_of_a_fan_out_win_over_rules_by_path(options: BatchOptions) -> None:
    rules = {"winter/**": {"style": "red", "strength": 0.5}}
    run_fan_out(options.replaced(parameters_by_path=rules), read_combinations(["style=cyan"]), run_batch)
    out = Path(options.output) / "style=cyan"
    assert colour(out / "a.png") == [0, 200, 200]
    assert colour(out / "winter/b.png") == [100, 200, 200]


def test_the_most_specific_value_wins(options: BatchOptions, pictures: Path) -> None:
    (pictures / "params.csv").write_text("path,style,strength\n**,plain,\nwinter/**,red,\nwinter/b.png,cyan,0.5\n")
    (pictures / "winter/night/c.params.json").write_text('{"strength": 0.25}')
    report = run_batch(options.replaced(parameters_by_path={"*": {"style": "cyan"}}))
    out = Path(options.output)

    assert (report.done, report.ignored) == (3, 2)
    assert colour(out / "a.png") == [200, 200, 200]
    assert colour(out / "winter/b.png") == [100, 200, 200]
    assert colour(out / "winter/night/c.png") == [200, 150, 150]


def test_a_changed_sidecar_makes_its_own_picture_again_and_no_other(options: BatchOptions, pictures: Path) -> None:
    sidecar = pictures / "winter/b.params.yaml"
    sidecar.write_text("style: red")
    chosen = options.replaced(parameters={"style": "plain"})
    run_batch(chosen)

    sidecar.write_text("style: cyan")
    again = run_batch(chosen)
    assert (again.done, again.skipped) == (1, 2)
    assert colour(Path(options.output) / "winter/b.png") == [0, 200, 200]

    sidecar.unlink()
    last = run_batch(chosen.replaced(parameters_by_path={"a.png": {"style": "red"}}))
    assert (last.done, last.skipped) == (2, 1), "its value fell back, and a rule was added for another one"
    assert run_batch(chosen.replaced(parameters_by_path={"a.png": {"style": "red"}})).skipped == 3


def test_a_sidecar_that_is_out_of_bounds_costs_its_picture_until_it_is_corrected(
    options: BatchOptions, pictures: Path
) -> None:
    sidecar = pictures / "a.params.yaml"
    sidecar.write_text("strength: 7")
    chosen = options.replaced(parameters={"style": "red"}, max_failed=1)

    first = run_batch(chosen)
    assert (first.done, first.failed) == (2, 1)
    assert "up to 1" in first.failures[0].reason
    sidecar.write_text("strength: 0.5")
    assert (run_batch(chosen).done, colour(Path(options.output) / "a.png")) == (1, [200, 100, 100])


def test_a_table_with_a_wrong_value_ends_the_run_with_its_line(options: BatchOptions, pictures: Path) -> None:
    (pictures / "params.csv").write_text("path,style\na.png,red\nwinter/b.png,blue\n")

    with pytest.raises(UsageError, match=r"params\.csv, line 3: `style` takes plain, cyan, red"):
        run_batch(options.replaced(parameters={"style": "plain"}))


def test_a_fan_out_has_a_folder_a_value_and_adds_only_what_is_new(options: BatchOptions) -> None:
    def fan_out(*texts: str) -> list[BatchReport]:
        return list(run_fan_out(options, read_combinations(texts), run_batch).values())

    assert [report.done for report in fan_out("style=plain,cyan")] == [3, 3]
    assert [(report.done, report.skipped) for report in fan_out("style=plain,cyan,red")] == [(0, 3), (0, 3), (3, 0)]
    assert colour(Path(options.output) / "style=red" / "winter" / "b.png") == [200, 0, 0]
    with Image.open(Path(options.output) / MATRIX_NAME) as sheet:
        assert sheet.width > sheet.height, "four columns of three pictures"


def test_the_command_takes_the_same(options: BatchOptions) -> None:
    command: list[str] = [
        str(TENDIES),
        "batch",
        options.input,
        options.output,
        "--server",
        options.servers[0],
        "--model",
        "styles",
    ]
    command += ["--model-base-path", str(options.model_base_path), "--json", "--param", "strength=0.5"]
    done = subprocess.run([*command, "--fan-out", "style=0..1"], capture_output=True, check=True, text=True)

    assert {name: report["done"] for name, report in json.loads(done.stdout).items()} == {"style=0": 3, "style=1": 3}
    assert colour(Path(options.output) / "style=1" / "a.png") == [100, 200, 200]
