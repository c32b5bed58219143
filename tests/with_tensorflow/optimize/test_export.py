"""``optimize:`` from the spec to the served version."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tendies_ops.compare import compare_images
from tendies_ops.errors import ParityError, StoppedError
from tendies_ops.export import ExportResult, check_loads, export_model
from tendies_ops.export.network import FrozenNetwork
from tendies_ops.export.optimize import optimizer, precisions
from tendies_ops.export.optimize.precisions import Precision
from tendies_ops.export.pipeline import export_to
from tendies_ops.spec import ModelSpec, OptimizeSpec, load_spec, read_manifest
from tendies_ops.spec.manifest import verify_files
from tests.support.model_server import start_model_server
from tests.support.scenes import scene

EXAMPLES = Path(__file__).parents[3] / "examples" / "models"
TENDIES = Path(sys.executable).with_name("tendies")


def stripes(**optimize: object) -> ModelSpec:
    spec = load_spec(EXAMPLES / "noise_to_stripes.yaml")
    return spec.model_copy(update={"optimize": OptimizeSpec.model_validate(optimize)})


@pytest.fixture(scope="module")
def optimized(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    """The demo's network in bfloat16."""
    directory = tmp_path_factory.mktemp("optimized") / "models" / "1"
    return export_model(stripes(precision="bfloat16"), directory)


def test_the_manifest_says_what_was_done_and_what_it_costs(optimized: ExportResult) -> None:
    taken = optimized.manifest.optimization
    assert taken is not None
    (variant,) = taken.variants

    assert taken.chosen == variant.name == "bfloat16"
    assert (variant.psnr_db or 0) > 35
    assert (variant.ssim or 0) > 0.98
    assert variant.size_bytes == (optimized.saved_model_dir / "saved_model.pb").stat().st_size < 1_100_000
    assert variant.sheet in optimized.manifest.files
    verify_files(optimized.saved_model_dir, optimized.manifest)
    assert not (optimized.saved_model_dir / "variants").exists()


def test_the_certificate_lists_photographs_worst_first_and_is_printed(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        scene(number).save(folder / f"{number}.png")
    lines: list[str] = []
    spec = stripes(precision="bfloat16", photos=str(folder))
    taken = export_model(spec, tmp_path / "export", on_line=lines.append).manifest.optimization
    assert taken is not None
    (variant,) = taken.variants
    prices = [entry.psnr_db or 0 for entry in variant.certificate]

    assert {entry.picture for entry in variant.certificate} == {f"{number}.png" for number in range(6)}
    assert prices == sorted(prices)
    assert (variant.psnr_db or 0) <= prices[0], "the gate judges photographs as well"
    head = next(number for number, line in enumerate(lines) if "6 pictures, worst first" in line)
    assert [line.split()[0] for line in lines[head + 1 : head + 7]] == [one.picture for one in variant.certificate]


def test_a_photograph_outside_the_gate_is_enough_to_refuse(tmp_path: Path) -> None:
    scene(1).save(tmp_path / "one.png")
    with pytest.raises(ParityError, match="PSNR"):
        export_model(stripes(precision="bfloat16", photos=str(tmp_path), min_psnr_db=90), tmp_path / "export")


def test_tensorflow_and_the_embedded_server_load_it_and_give_what_was_promised(optimized: ExportResult) -> None:
    check_loads(optimized.saved_model_dir)
    directory, golden = optimized.saved_model_dir, optimized.manifest.golden
    base_path = directory.parent
    with start_model_server("--model_name=m", f"--model_base_path={base_path}") as server:
        from tendies_ops.client import ModelServerClient

        with ModelServerClient(server.url) as client:
            answers = client.predict_files("m", [(directory / entry.input).read_bytes() for entry in golden])
    for entry, answer in zip(golden, answers, strict=True):
        promised = (directory / entry.outputs["output_bytes"]).read_bytes()
        assert compare_images(promised, answer).max_abs <= 2


def test_another_process_writes_the_same_digest(optimized: ExportResult, tmp_path: Path) -> None:
    command: list[str | Path] = [TENDIES, "export", EXAMPLES / "noise_to_stripes.yaml", "--output", tmp_path / "again"]
    environment = {**os.environ, "PYTHONHASHSEED": "4"}
    command += ["--optimize", "bfloat16"]
    subprocess.run(command, check=True, capture_output=True, env=environment)

    assert read_manifest(tmp_path / "again").model_digest == optimized.manifest.model_digest


def test_auto_measures_through_the_server_and_prints_the_table(tmp_path: Path) -> None:
    lines: list[str] = []
    result = export_model(stripes(precision="auto", seconds_per_variant=0.1), tmp_path / "auto", on_line=lines.append)
    taken = result.manifest.optimization
    assert taken is not None
    by_name = {variant.name: variant for variant in taken.variants}

    assert taken.wanted == "auto"
    assert taken.why in lines
    if not by_name:  # nothing pays on this machine, and the reason for each precision is given
        assert taken.chosen == "float32"
        assert "bfloat16: this CPU" in taken.why
        return
    assert taken.chosen in by_name
    assert (taken.batch_size or 0) >= 1
    assert [line.split()[0] for line in lines if line.split()[0] in by_name] == list(by_name)
    for variant in by_name.values():
        assert (variant.images_per_second or 0) > 0
        assert (variant.memory_bytes or 0) > 50e6
    assert by_name["float32"].speedup == 1.0
    assert not any("images_per_second" in name for name in result.manifest.files), "no figure in what is digested"
    verify_files(result.saved_model_dir, result.manifest)


def test_a_variant_that_does_not_run_costs_itself_and_not_the_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_operations_that_there_are_not(network: FrozenNetwork) -> FrozenNetwork:
        graph_def = copy.deepcopy(network.graph_def)
        for node in graph_def.node:
            node.op = node.op.replace("Conv2D", "Conv5D")
        return replace(network, graph_def=graph_def)

    broken_precision = Precision(with_operations_that_there_are_not, lambda host: "")
    monkeypatch.setattr(precisions, "PRECISIONS", {"bfloat16": broken_precision})
    monkeypatch.setattr(optimizer, "PRECISIONS", {"bfloat16": broken_precision})
    export_to(tmp_path, stripes(precision="auto", seconds_per_variant=0.1), lambda _: None)
    taken = read_manifest(tmp_path).optimization
    assert taken is not None
    broken = next(variant for variant in taken.variants if variant.name == "bfloat16")

    assert taken.chosen == "float32"
    assert not broken.passed
    assert "it does not run" in broken.why_not
    assert "Conv5D" in broken.why_not


def test_a_precision_by_name_that_the_gate_refuses_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"PSNR .* is below 90"):
        export_model(stripes(precision="bfloat16", min_psnr_db=90.0), tmp_path / "refused")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_stop_while_servers_are_measured_leaves_no_server_and_no_file(tmp_path: Path) -> None:
    stop = threading.Event()

    def on_line(line: str) -> None:
        if line.startswith("Measuring"):
            stop.set()

    with pytest.raises(StoppedError):
        export_model(stripes(precision="auto"), tmp_path / "stopped", cancelled=stop, on_line=on_line)
    assert list(tmp_path.iterdir()) == []
    commands = (" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    assert not any(str(tmp_path) in command for command in commands)
