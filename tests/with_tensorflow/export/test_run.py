"""The parent's side: one rename, one clear error, nothing left, whatever is stopped or killed when."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from tendies_ops.errors import (
    ExportError,
    OutOfMemoryError,
    ServerUnreachableError,
    StoppedError,
    UntrustedModelError,
    UsageError,
)
from tendies_ops.export import check_loads, export_model
from tendies_ops.spec import MANIFEST_PATH, ModelSpec, read_manifest
from tendies_ops.spec.manifest import verify_files
from tests.support.ports import free_port
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.test_sources import SOURCES, small_spec

TENDIES = Path(sys.executable).with_name("tendies")


@pytest.fixture
def spec(small_sources: Path) -> ModelSpec:
    return small_spec(small_sources, SOURCES["tf1_checkpoint with a builder"])


@pytest.fixture
def slow_spec(small_sources: Path) -> ModelSpec:
    return small_spec(small_sources, {"checkpoint": "tf1", "builder": "slow"})


def write_spec(spec: ModelSpec, path: Path) -> Path:
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json")))
    return path


def sleepers() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "61.5"]]


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.05)


def test_the_same_checkpoint_has_the_same_digest_twice_and_loads(spec: ModelSpec, tmp_path: Path) -> None:
    lines: list[str] = []
    first = export_model(spec, tmp_path / "first", on_line=lines.append)
    path = write_spec(spec, tmp_path / "small.yaml")
    done = subprocess.run(
        [TENDIES, "export", path, "--output", tmp_path / "second", "--json"], capture_output=True, text=True, check=True
    )
    second = json.loads(done.stdout)["manifest"]

    assert first.manifest.model_digest == second["model_digest"]
    assert first.manifest.source.digest == second["source"]["digest"]
    verify_files(tmp_path / "second", read_manifest(tmp_path / "second"))
    assert (tmp_path / "first" / "saved_model.pb").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "second", "small.yaml"]
    assert lines[0].startswith("Opened tf1_checkpoint")
    check_loads(tmp_path / "first")


def test_a_version_that_is_there_is_not_replaced(spec: ModelSpec, tmp_path: Path) -> None:
    manifest = tmp_path / "model" / "7" / MANIFEST_PATH
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    with pytest.raises(UsageError, match="its name is a version's, whose content never changes"):
        export_model(spec, tmp_path / "model" / "7")
    assert manifest.read_text() == "{}"


def test_a_server_to_compare_with_is_looked_at_before_the_export(spec: ModelSpec, tmp_path: Path) -> None:
    lines: list[str] = []
    port = free_port()
    for url, error in {f"http://127.0.0.1:{port}": ServerUnreachableError, "localhost:zero": UsageError}.items():
        with pytest.raises(error):
            export_model(spec, tmp_path / "out", server_url=url, on_line=lines.append)
    assert lines == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_earlier_export_is_replaced_and_a_folder_of_other_things_is_not(
    spec: ModelSpec, tmp_path: Path, export_here: ExportHere
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        export_model(spec, tmp_path / "mine")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not a directory"):
        export_model(spec, tmp_path / "file")

    earlier = tmp_path / "earlier"
    export_here(spec).directory.rename(earlier)
    (earlier / "left_over").touch()
    export_model(spec, earlier, checkpoint=spec.source.local_checkpoint / "model.ckpt-7")
    assert not (earlier / "left_over").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["earlier", "file", "mine"]


def test_a_stopped_export_is_gone_at_once_with_all_its_processes(slow_spec: ModelSpec, tmp_path: Path) -> None:
    cancelled = threading.Event()

    def cancel_once_it_works() -> None:
        wait_until(sleepers, 60)
        cancelled.set()

    threading.Thread(target=cancel_once_it_works).start()

    with pytest.raises(StoppedError, match="nothing was written"):
        export_model(slow_spec, tmp_path / "out", cancelled=cancelled)

    wait_until(lambda: not sleepers(), 5)
    assert list(tmp_path.iterdir()) == []


def test_an_export_whose_process_is_killed_may_be_tried_again(slow_spec: ModelSpec, tmp_path: Path) -> None:
    def kill_once_it_works() -> None:
        wait_until(sleepers, 60)
        sleepers()[0].parents()[0].kill()

    threading.Thread(target=kill_once_it_works).start()

    with pytest.raises(OutOfMemoryError, match="most likely because memory ran out") as caught:
        export_model(slow_spec, tmp_path / "out")

    assert caught.value.retryable
    wait_until(lambda: not sleepers(), 5)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_takes_too_long_is_stopped(slow_spec: ModelSpec, tmp_path: Path) -> None:
    started_s = time.monotonic()
    with pytest.raises(ExportError, match="took longer than 1 s"):
        export_model(slow_spec, tmp_path / "out", timeout_s=1.0)
    assert time.monotonic() - started_s < 10
    assert list(tmp_path.iterdir()) == []


def test_when_the_parent_is_killed_the_child_cleans_up_and_ends(slow_spec: ModelSpec, tmp_path: Path) -> None:
    path = write_spec(slow_spec, tmp_path / "slow.yaml")
    output = tmp_path / "out" / "model"
    parent = subprocess.Popen([TENDIES, "export", path, "--output", output], stdout=subprocess.DEVNULL)
    wait_until(sleepers, 90)
    child = next(p for p in psutil.Process(parent.pid).children() if p.is_running())

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    wait_until(lambda: not child.is_running())
    assert list(output.parent.iterdir()) == []
    wait_until(lambda: not sleepers(), 5)


@pytest.mark.slow
def test_another_interpreter_runs_the_export_with_this_package(spec: ModelSpec, tmp_path: Path) -> None:
    # Another path to the same environment: what counts is that the package is handed over, not found.
    other = tmp_path / "python"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    other.chmod(0o755)
    result = export_model(spec, tmp_path / "out", python=str(other))
    assert result.manifest.model_name == "small"


def test_an_interpreter_without_what_is_needed_is_named(spec: ModelSpec, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')  # -S: no site-packages
    bare.chmod(0o755)
    with pytest.raises(ExportError, match="has no module"):
        export_model(spec, tmp_path / "out", python=str(bare))
    with pytest.raises(UsageError, match="cannot be started"):
        export_model(spec, tmp_path / "out", python=str(tmp_path / "no_python"))
    assert not (tmp_path / "out").exists()


def test_what_does_not_load_is_said_to_not_load(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no saved_model\.pb"):
        check_loads(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(UntrustedModelError, match="cannot be checked: it is cut short"):
        check_loads(tmp_path)
