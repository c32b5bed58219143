"""`tendies init` drafts a spec that exports as it is, says what it assumed, and never guesses in silence."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tendies_ops.cli.main import app
from tendies_ops.errors import SpecError, TendiesError, UsageError
from tendies_ops.model_files.draft import name_of
from tendies_ops.spec import ModelSpec, load_spec
from tests.support.pixels import png
from tests.with_tensorflow.export.conftest import HERE, SPECS
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.small_sources import BUILDERS


def init(*arguments: object) -> str:
    """Run the command without a terminal, and return what it printed."""
    done = CliRunner().invoke(app, ["init", *map(str, arguments)], catch_exceptions=True)
    if isinstance(done.exception, TendiesError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def drafted(small_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The draft of a frozen graph, and what was printed."""
    spec = tmp_path_factory.mktemp("drafts") / "small.yaml"
    return spec, init(small_sources / "frozen.pb", "--output", spec)


def test_the_draft_exports_as_it_is(drafted: tuple[Path, str], export_here: ExportHere) -> None:
    spec = load_spec(drafted[0])
    assert spec.source.input_tensor == "image"
    assert spec.source.output_tensors == {"output": "G/conv/out"}
    assert export_here(spec).manifest.parity


def test_the_draft_says_what_was_tried_and_of_each_part_whether_it_is_assumed(drafted: tuple[Path, str]) -> None:
    text = drafted[0].read_text()
    assert text.startswith("# Drafted by `tendies init` from frozen.pb, a frozen TensorFlow graph")
    assert "under 9 readings" in " ".join(text.split("\n# "))
    for key in ("range:", "color_order:"):
        before = text.partition(f"    {key}")[0].splitlines()[-1]
        assert before.strip().startswith("#")
    assert "assumed" in text


def test_the_one_that_was_taken_is_printed_and_the_sheet_of_all_is_there(drafted: tuple[Path, str]) -> None:
    spec, printed = drafted
    assert "Wrote candidate 1 (" in printed
    assert "input.color_order: " in printed
    assert spec.with_suffix(".candidates.png").read_bytes().startswith(b"\x89PNG")


def test_another_candidate_is_taken_by_its_number_and_a_spec_is_replaced_only_by_force(
    drafted: tuple[Path, str], small_sources: Path
) -> None:
    spec, _ = drafted
    with pytest.raises(UsageError, match="--force"):
        init(small_sources / "frozen.pb", "--output", spec)
    answer = json.loads(init(small_sources / "frozen.pb", "--output", spec, "--force", "--choose", 2, "--json"))
    assert answer["chosen"] == 2
    assert load_spec(spec).contract.model_dump(mode="json") == answer["candidates"][1]["contract"]


def test_on_a_terminal_the_candidate_is_asked_for(small_sources: Path, tmp_path: Path) -> None:
    spec = tmp_path / "asked.yaml"
    terminal, its_other_end = pty.openpty()
    tendies = str(Path(sys.executable).with_name("tendies"))
    command = [tendies, "init", str(small_sources / "frozen.pb"), "--output", str(spec)]
    with subprocess.Popen(command, stdin=its_other_end, stdout=subprocess.PIPE, text=True) as run:
        os.write(terminal, b"2\n")
        printed = run.communicate(timeout=120)[0]
    assert run.returncode == 0
    assert f"Look at {spec.with_suffix('.candidates.png')}." in " ".join(printed.split())
    assert "Which candidate is right" in printed
    assert "Wrote candidate 2 (" in printed


def test_a_builder_and_its_arguments_are_given_as_keys_of_the_source(
    small_sources: Path, tmp_path: Path, export_here: ExportHere
) -> None:
    spec = tmp_path / "built.yaml"
    init(small_sources / "tf1", "--output", spec, "--source", f"builder={BUILDERS}:graph")
    assert load_spec(spec).source.builder == f"{BUILDERS}:graph" or "builders" in str(load_spec(spec).source.builder)
    assert export_here(load_spec(spec)).manifest.parity


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("tf1",), SpecError, "source.builder"),
        (("absent.pb",), UsageError, "There is no model at"),
        (("absent", "--pictures", "tf1"), UsageError, "There is no model at"),
        (("frozen.pb", "--compose"), UsageError, "is for a new folder"),
        (("frozen.pb", "--pictures", "tf1"), UsageError, "there is no picture in"),
        (("frozen.pb", "--source", "builder"), UsageError, "takes KEY=VALUE"),
        (("frozen.pb", "--source", "bulder=a:b"), UsageError, "bulder"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_status_2(
    arguments: tuple[str, ...], error: type[TendiesError], message: str, small_sources: Path, tmp_path: Path
) -> None:
    paths = [str(small_sources / one) if number in (0, 2) else one for number, one in enumerate(arguments)]
    if arguments[1:2] == ("--source",):
        paths[2] = arguments[2]
    with pytest.raises(error, match=message) as caught:
        init(*paths, "--output", tmp_path / "none.yaml")
    assert caught.value.exit_status == 2


def test_a_foreign_format_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    (tmp_path / "net.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    with pytest.raises(SpecError, match="tf2onnx"):
        init(tmp_path / "net.tflite")


def test_a_model_is_named_after_its_file_or_the_folder_of_a_version() -> None:
    assert name_of(Path("/models/my style.pb")) == "my_style"
    assert name_of(Path("/models/painter/saved_model.pb")) == "painter"


REPOSITORY = HERE.parents[2]
EXAMPLES = REPOSITORY / "examples"
BUILDER = HERE / "builders"
#: model below the shared ones or here -> the spec that is right, and what only its owner knows.
REAL: dict[str, tuple[str, list[str]]] = {
    "cartoongan-light/light_paprika_SavedModel": ("cartoongan_saved_model", []),
    "cartoongan-light/light_paprika_ckpt": ("cartoongan_checkpoint", [f"builder={BUILDER}/cartoongan.py:generator"]),
    "cyclegan-vintage-tf1": ("cyclegan_meta", []),
    "fast-style-tf1/matilde_perez": ("fast_style", [f"builder={BUILDER}/fast_style.py:network"]),
    "magenta-multistyle26-frozen": ("magenta_style_0", []),
    "esrgan-slim-x2-keras2h5": ("esrgan", []),
    "detector-handtrack-ssd-savedmodel/1": ("handtrack", []),
    "brush_strokes": ("brush_strokes", [f"builder={EXAMPLES}/brush_strokes/model.py:custom_layers"]),
    "noise_to_stripes": (
        "noise_to_stripes",
        [
            f"builder={EXAMPLES}/noise_to_stripes/model.py:generator",
            "builder_arguments={ngf: 32, residual_blocks: 1}",
        ],
    ),
}
SLOW = ("cyclegan", "cartoongan-light/light_paprika_ckpt", "fast-style", "esrgan")


def right_spec(name: str) -> ModelSpec:
    here = SPECS / f"{name}.yaml"
    return load_spec(here if here.exists() else EXAMPLES / "models" / f"{name}.yaml")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for name in ("kodim04", "kodim16", "kodim22", "coffee"):
        file = next(path for path in sorted((shared_data / "photos").rglob("*")) if path.stem == name)
        (folder / file.name).symlink_to(file)
    return folder


def test_a_builder_that_needs_a_size_gets_that_of_the_pictures(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), np.uint8)
    (tmp_path / "noise").mkdir()
    for number, pixels in enumerate(noise):
        (tmp_path / "noise" / f"{number}.png").write_bytes(png(pixels))
    known = [argument for one in REAL["noise_to_stripes"][1] for argument in ("--source", one)]
    place, spec = EXAMPLES / "noise_to_stripes" / "checkpoint", tmp_path / "drafted.yaml"
    init(place, "--output", spec, "--pictures", tmp_path / "noise", *known)
    drafted, right = load_spec(spec).contract, right_spec("noise_to_stripes").contract
    assert essence(load_spec(spec)) == essence(right_spec("noise_to_stripes"))
    assert (drafted.input.size, drafted.input.batch_size) == (right.input.size, right.input.batch_size)


def essence(spec: ModelSpec) -> dict[str, Any]:
    """What makes the pixels right. A model of one size may resize or not."""
    given, output = spec.contract.input, spec.contract.output
    shown: dict[str, Any] = {
        "input": given.model_dump(
            include={"range", "color_order", "dtype", "subtract_mean", "multiple_of", "channels"}
        ),
        "output": output.model_dump(include={"kind", "range", "color_order", "activation", "scale"}),
    }
    return shown if given.dtype != "uint8" else {**shown, "input": {}, "output": {"kind": output.kind}}


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "model", [pytest.param(one, marks=pytest.mark.slow) if one.startswith(SLOW) else one for one in REAL]
)
def test_the_draft_of_a_real_model_is_right_and_exports_without_a_doubt(
    model: str, shared_data: Path, photographs: Path, tmp_path: Path, export_here: ExportHere
) -> None:
    name, known = REAL[model]
    place = shared_data / "models" / model
    if not place.exists():
        place = EXAMPLES / model / "checkpoint"
    spec = tmp_path / "drafted.yaml"
    arguments = [argument for one in known for argument in ("--source", one)]
    init(place, "--output", spec, "--pictures", photographs, *arguments)
    assert essence(load_spec(spec)) == essence(right_spec(name))
    manifest = export_here(load_spec(spec)).manifest
    assert [doubt for entry in manifest.plausibility for doubt in entry.doubts] == []
