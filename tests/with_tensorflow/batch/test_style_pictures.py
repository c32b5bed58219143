"""A network that takes its style as a second picture: exported, served, and run with a style for each folder."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tendies_ops.client import ModelServerClient
from tendies_ops.errors import SpecError, UsageError
from tendies_ops.export import export_model
from tendies_ops.inference import BatchOptions, run_batch
from tendies_ops.inference.upkeep.replay_picture import replay
from tendies_ops.release import release_model, rollback_model
from tendies_ops.release.replicas.golden_images import read_golden
from tendies_ops.spec import ModelSpec, ReleaseSpec, load_spec, read_manifest
from tests.support.model_server import start_model_server

STYLE_SIZE = 16


def write_graph(path: Path, *, one_style: bool) -> None:
    """
    Write what AdaIN does at its core: the picture gets the means and deviations of the style, channel by channel.

    :param one_style: the graph has room for one style a batch.
    """
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        image = tf1.placeholder(tf.float32, [None, None, None, 3], name="image")
        style = tf1.placeholder(tf.float32, [1 if one_style else None, STYLE_SIZE, STYLE_SIZE, 3], name="style")
        mean, variance = tf.nn.moments(image, [1, 2], keepdims=True)
        style_mean, style_variance = tf.nn.moments(style, [1, 2], keepdims=True)
        whitened = (image - mean) * tf.math.rsqrt(variance + 1e-3)
        tf.clip_by_value(whitened * tf.sqrt(style_variance + 1e-3) + style_mean, 0.0, 1.0, name="painted")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def painted(content: NDArray[Any], style: NDArray[Any]) -> NDArray[Any]:
    """Compute in NumPy what the network does."""
    image, other = content / 255.0, style / 255.0
    whitened = (image - image.mean((0, 1))) / np.sqrt(image.var((0, 1)) + 1e-3)
    values: NDArray[Any] = np.clip(whitened * np.sqrt(other.var((0, 1)) + 1e-3) + other.mean((0, 1)), 0, 1) * 255.0
    return values


def spec(graph: Path, **style: Any) -> ModelSpec:
    whole = {"range": {"low": 0, "high": 1}}
    size = {"height": STYLE_SIZE, "width": STYLE_SIZE}
    picture = {"size": size, "resize": "bilinear", **whole}
    return ModelSpec.model_validate(
        {
            "model_name": "any_style",
            "source": {"checkpoint": str(graph), "input_tensor": "image", "output_tensors": {"output": "painted"}},
            "contract": {
                "input": whole,
                "output": whole,
                "extra_inputs": {"style": {"tensor": "style", "picture": picture, **style}},
            },
        }
    )


def noise(seed: int, low: int, high: int, size: tuple[int, int] = (STYLE_SIZE, STYLE_SIZE)) -> Image.Image:
    values = np.random.default_rng(seed).integers(low, high, (*size, 3))
    return Image.fromarray(values.astype(np.uint8))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 takes a style for each picture, version 2 one for the whole batch; both know a choice."""
    folder = tmp_path_factory.mktemp("any_style")
    noise(7, 0, 90).save(folder / "dark.png")
    for version, one_style in ((1, False), (2, True)):
        graph = folder / f"graph{version}.pb"
        write_graph(graph, one_style=one_style)
        export_model(spec(graph, choices={"dark": str(folder / "dark.png")}), folder / "models" / str(version))
    return folder / "models"


@contextmanager
def serve(models: Path, *flags: str) -> Iterator[str]:
    """Serve both versions."""
    config = models.parent / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "any_style" base_path: "{models}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    with (
        start_model_server(f"--model_config_file={config}", *flags) as running,
        ModelServerClient(running.url) as client,
    ):
        deadline_s = time.monotonic() + 60
        while not all(status.serves for status in client.version_statuses("any_style").values()):
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        yield running.url


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[str]:
    with serve(models) as url:
        yield url


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for seed, name in enumerate(("sea/a.png", "sea/b.png", "wood/c.png", "wood/d.png")):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(seed, 20, 230, (12, 20)).save(path)
    styles = tmp_path / "in" / ".styles"
    styles.mkdir()
    noise(11, 100, 255).save(styles / "light.png")
    noise(12, 0, 120).convert("P").save(styles / "small.gif")
    return tmp_path / "in"


def options_for(server: str, models: Path | None, pictures: Path, tmp_path: Path, version: int = 1) -> BatchOptions:
    return BatchOptions(
        input=str(pictures),
        output=str(tmp_path / f"out{version}"),
        model_name="any_style",
        servers=(server,),
        model_base_path=None if models is None else str(models),
        version=version,
        parameters_by_path={
            "sea/**": {"style": ".styles/light.png"},
            "wood/**": {"style": ".styles/small.gif"},
        },
    )


def pixels(path: Path) -> NDArray[Any]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def assert_painted(out: Path, pictures: Path, styles: dict[str, Path]) -> None:
    for name, style in styles.items():
        difference = np.abs(pixels(out / name) - painted(pixels(pictures / name), pixels(style)))
        assert difference.max() <= 1.01, name


@pytest.mark.parametrize("version", [1, 2])
def test_every_folder_is_painted_with_its_own_style_picture(
    server: str, models: Path, pictures: Path, tmp_path: Path, version: int
) -> None:
    options = options_for(server, models, pictures, tmp_path, version)
    report = run_batch(options)
    light, small = pictures / ".styles/light.png", pictures / ".styles/small.gif"

    assert (report.done, report.requests) == (4, 2), "a request for each style, and no style was painted itself"
    assert_painted(
        Path(options.output),
        pictures,
        {"sea/a.png": light, "sea/b.png": light, "wood/c.png": small, "wood/d.png": small},
    )


def test_a_server_that_merges_requests_gets_the_style_with_each_picture(
    models: Path, pictures: Path, tmp_path: Path
) -> None:
    with serve(models, "--enable_batching") as url:
        options = options_for(url, models, pictures, tmp_path)
        assert run_batch(options).done == 4
    light = pictures / ".styles/light.png"
    assert_painted(Path(options.output), pictures, {"sea/a.png": light, "sea/b.png": light})


def test_a_changed_style_picture_makes_its_own_pictures_again(
    server: str, models: Path, pictures: Path, tmp_path: Path
) -> None:
    options = options_for(server, models, pictures, tmp_path)
    run_batch(options)
    noise(13, 50, 200).save(pictures / ".styles/light.png")

    again = run_batch(options)
    assert (again.done, again.skipped) == (2, 2)
    assert_painted(Path(options.output), pictures, {"sea/a.png": pictures / ".styles/light.png"})


def test_a_choice_is_a_picture_of_the_version(server: str, models: Path, pictures: Path, tmp_path: Path) -> None:
    options = options_for(server, models, pictures, tmp_path).replaced(
        parameters_by_path={}, parameters={"style": "dark"}
    )
    assert run_batch(options).done == 4
    assert_painted(Path(options.output), pictures, {"wood/c.png": models.parent / "dark.png"})
    assert "dark.png" not in str(read_manifest(models / "1").contract), "no path of the exporter's machine is kept"

    with ModelServerClient(server) as client:
        again = replay(Path(options.output) / "sea/a.png", pictures, client, model_base_path=models)
    assert again.verdict == "exact"


def test_a_style_that_cannot_be_read_costs_its_pictures_or_the_run(
    server: str, models: Path, pictures: Path, tmp_path: Path
) -> None:
    options = options_for(server, models, pictures, tmp_path).replaced(max_failed=2)
    (pictures / ".styles/light.png").write_bytes(b"no picture")
    report = run_batch(options)

    assert (report.done, report.failed) == (2, 2)
    assert ".styles/light.png, the picture for its `style`" in report.failures[0].reason
    with pytest.raises(UsageError, match=r"gone\.png"):
        run_batch(options.replaced(parameters_by_path={}, parameters={"style": "gone.png"}))


@pytest.mark.parametrize("path", ["/etc/hostname", "../secret.png", "a//b.png", "a/../../b.png", "http://host/a.png"])
def test_a_style_is_only_read_from_below_the_input(
    server: str, models: Path, pictures: Path, tmp_path: Path, path: str
) -> None:
    options = options_for(server, models, pictures, tmp_path)
    with pytest.raises(UsageError, match="below the input folder"):
        run_batch(options.replaced(parameters_by_path={}, parameters={"style": path}))


def test_the_golden_images_are_sent_with_a_neutral_picture(models: Path, server: str) -> None:
    golden = read_golden(models / "1", read_manifest(models / "1"))

    with ModelServerClient(server) as client:
        rows = client.predict_rows("any_style", [golden[0].input], version=1, inputs=[golden[0].inputs])
    promised = next(iter(golden[0].promised.values()))
    assert pixels_of_bytes(rows[0]).shape == pixels_of_bytes(promised).shape
    assert np.abs(pixels_of_bytes(rows[0]) - pixels_of_bytes(promised)).max() <= 1


def pixels_of_bytes(data: bytes) -> NDArray[Any]:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def test_a_choice_that_is_no_picture_ends_the_export(tmp_path: Path) -> None:
    write_graph(tmp_path / "graph.pb", one_style=False)
    (tmp_path / "text.png").write_text("text")

    with pytest.raises(SpecError, match=r"style\.choices\.bad is .*text\.png, which is not a PNG or JPEG"):
        export_model(spec(tmp_path / "graph.pb", choices={"bad": str(tmp_path / "text.png")}), tmp_path / "1")


def test_such_a_model_is_released_proved_compared_and_rolled_back(models: Path, tmp_path: Path) -> None:
    base, options = tmp_path / "base", ReleaseSpec(available_timeout_s=60, restore_timeout_s=60, lease_wait_s=1)
    base.mkdir()
    flags = (f"--model_base_path={base}", "--max_num_load_retries=0", "--file_system_poll_wait_seconds=0.2")
    with start_model_server("--model_name=any_style", *flags, wait=False) as server:
        first = release_model(models / "1", base, [server.url], options=options)
        second = release_model(models / "2", base, [server.url], options=options)
        back = rollback_model(base, [server.url], options=options, reason="a drill")
        log = server.log_path.read_text(errors="replace")

    assert (first.state, second.state, back.version) == ("released", "released", first.version)
    assert second.gate["live_version"] == first.version
    assert second.swap["failed"] == 0
    assert "INVALID_ARGUMENT" not in log, "no request was malformed"


def test_a_second_network_turns_the_style_into_a_code_and_is_joined_at_export(tmp_path: Path) -> None:
    write_two_graphs(tmp_path)
    (tmp_path / "spec.yaml").write_text(TWO_GRAPHS)
    export_model(load_spec(tmp_path / "spec.yaml"), tmp_path / "models" / "1")
    pictures = tmp_path / "in"
    (pictures / ".styles").mkdir(parents=True)
    noise(1, 20, 230, (12, 20)).save(pictures / "a.png")
    style = pictures / ".styles" / "s.png"
    noise(11, 100, 255).save(style)

    with start_model_server("--model_name=two", f"--model_base_path={tmp_path / 'models'}") as server:
        report = run_batch(
            BatchOptions(
                input=str(pictures),
                output=str(tmp_path / "out"),
                model_name="two",
                servers=(server.url,),
                model_base_path=str(tmp_path / "models"),
                parameters={"style": ".styles/s.png"},
            )
        )
    assert report.done == 1
    assert_painted(tmp_path / "out", pictures, {"a.png": style})


TWO_GRAPHS = """
model_name: two
source: {checkpoint: painter.pb, input_tensor: image, output_tensors: {output: painted}}
contract:
  input: {range: {low: 0, high: 1}}
  output: {range: {low: 0, high: 1}}
  extra_inputs:
    style:
      tensor: code
      picture: {size: {height: 16, width: 16}, resize: bilinear, range: {low: 0, high: 1}}
      network: {checkpoint: predictor.pb, input_tensor: style_image, output_tensors: {code: style_code}}
"""


def write_two_graphs(folder: Path) -> None:
    """Write the network of this page in two: what looks at the style, and what paints with its six numbers."""
    import tensorflow as tf

    tf1 = tf.compat.v1
    with tf.Graph().as_default() as predictor:
        style = tf1.placeholder(tf.float32, [None, STYLE_SIZE, STYLE_SIZE, 3], name="style_image")
        mean, variance = tf.nn.moments(style, [1, 2])
        tf.concat([mean, tf.sqrt(variance + 1e-3)], 1, name="style_code")
    with tf.Graph().as_default() as painter:
        image = tf1.placeholder(tf.float32, [None, None, None, 3], name="image")
        code = tf1.placeholder(tf.float32, [None, 6], name="code")[:, tf.newaxis, tf.newaxis]
        mean, variance = tf.nn.moments(image, [1, 2], keepdims=True)
        whitened = (image - mean) * tf.math.rsqrt(variance + 1e-3)
        tf.clip_by_value(whitened * code[..., 3:] + code[..., :3], 0.0, 1.0, name="painted")
    for name, graph in (("predictor", predictor), ("painter", painter)):
        (folder / f"{name}.pb").write_bytes(graph.as_graph_def().SerializeToString())
