"""A real export, released to a server with TensorFlow in it, whole and broken."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tendies_ops.compare import decode_pixels
from tendies_ops.errors import LoadFailedError, ProofFailedError, ReleaseError, UntrustedModelError
from tendies_ops.release import list_versions, rehearse, release_model, rollback_model
from tendies_ops.spec import ReleaseSpec
from tests.support.candidates import picture, shift, to_png, write_manifest
from tests.support.independent_checker import available_versions, predict
from tests.support.model_server import RunningServer, start_model_server
from tests.support.real_shift import make_export, save_model
from tests.support.steady_load import SteadyLoad

NAME = "real_shift"
OPTIONS = ReleaseSpec(available_timeout_s=60, restore_timeout_s=60, lease_wait_s=1)


def promise_again(directory: Path) -> Path:
    """Make the manifest agree with the files, so that only a server can tell that something is wrong."""
    write_manifest(directory, model_name=NAME)
    return directory


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_export(tmp_path_factory.mktemp("export") / "saved_model", by=10, model_name=NAME)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base")


@pytest.fixture(scope="module")
def server(base: Path, export: Path) -> Iterator[RunningServer]:
    flags = ("--max_num_load_retries=0", "--num_load_threads=2", "--file_system_poll_wait_seconds=0.2")
    with start_model_server(f"--model_name={NAME}", f"--model_base_path={base}", *flags, wait=False) as running:
        report = release_model(export, base, [running.url], options=OPTIONS)  # meets a port that is still closed
        assert (report.state, report.version) == ("released", 1)
        yield running


def copy_of(export: Path, target: Path, note: str = "") -> Path:
    shutil.copytree(export, target)
    (target / "assets.extra" / "note.txt").write_text(note)  # other content, another digest
    return promise_again(target)


def edit(directory: Path, old: bytes, new: bytes) -> None:
    """Change the graph without changing its length, so that it stays a protobuf."""
    path = directory / "saved_model.pb"
    data = path.read_bytes()
    assert len(old) == len(new)
    assert old in data
    path.write_bytes(data.replace(old, new))


def truncated_variables(directory: Path) -> None:
    [data] = (directory / "variables").glob("variables.data-*")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])


def missing_saved_model_pb(directory: Path) -> None:
    (directory / "saved_model.pb").unlink()


def no_variables(directory: Path) -> None:
    shutil.rmtree(directory / "variables")


def unknown_op(directory: Path) -> None:
    edit(directory, b"EncodePng", b"EncodePnk")


def wrong_signature(directory: Path) -> None:
    edit(directory, b"serving_default", b"serving_defaulT")


def not_a_number(directory: Path) -> None:
    shutil.rmtree(directory / "variables")
    save_model(directory, float("nan"))


def broken_warmup(directory: Path) -> None:
    (directory / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records")


def wrong_pixels(directory: Path) -> None:
    for path in (directory / "assets.extra" / "tendies_golden").glob("*.out.png"):
        with Image.open(path) as image:
            pixels = np.asarray(image)
        path.write_bytes(to_png(255 - pixels))


def wrong_shape(directory: Path) -> None:
    for path in (directory / "assets.extra" / "tendies_golden").glob("*.out.png"):
        with Image.open(path) as image:
            half = image.resize((8, 8))
        half.save(path)


@pytest.mark.parametrize(
    "break_it",
    [
        truncated_variables,
        missing_saved_model_pb,
        no_variables,
        unknown_op,
        wrong_signature,
        not_a_number,
        broken_warmup,
        wrong_pixels,
        wrong_shape,
    ],
)
def test_a_broken_export_ends_red_and_the_old_version_serves(
    tmp_path: Path, export: Path, base: Path, server: RunningServer, break_it: Callable[[Path], None]
) -> None:
    before = available_versions(server.url, NAME), predict(server.url, picture(6), NAME)
    candidate = copy_of(export, tmp_path / "candidate", break_it.__name__)
    break_it(candidate)

    with pytest.raises(ReleaseError, match=r"was not released: .*Version \d+ serves on"):
        release_model(promise_again(candidate), base, [server.url], options=OPTIONS)

    assert (available_versions(server.url, NAME), predict(server.url, picture(6), NAME)) == before


def test_a_rehearsal_finds_what_loads_and_answers_wrongly(tmp_path: Path, export: Path) -> None:
    candidate = copy_of(export, tmp_path / "candidate")
    wrong_pixels(candidate)

    with pytest.raises(ProofFailedError, match="differs from the promised one"):
        rehearse(promise_again(candidate))


def test_a_rehearsal_tells_the_servers_words_about_what_does_not_load(tmp_path: Path, export: Path) -> None:
    candidate = copy_of(export, tmp_path / "candidate")
    unknown_op(candidate)

    with pytest.raises(ProofFailedError, match="EncodePnk"):  # it sits in a function, which is not built at load time
        rehearse(promise_again(candidate), allowed=["EncodePnk"])
    truncated_variables(candidate)
    with pytest.raises(LoadFailedError, match="Read less bytes than requested"):
        rehearse(promise_again(candidate), allowed=["EncodePnk"])


def test_a_rehearsal_refuses_a_directory_without_a_graph_before_a_server_loads_it(tmp_path: Path, export: Path) -> None:
    candidate = copy_of(export, tmp_path / "candidate")
    missing_saved_model_pb(candidate)
    with pytest.raises(UntrustedModelError, match=r"saved_model\.pb cannot be checked"):
        rehearse(promise_again(candidate))


def test_a_good_export_is_swapped_in_and_rolled_back_under_load(
    tmp_path: Path, base: Path, server: RunningServer
) -> None:
    [before] = available_versions(server.url, NAME)

    with SteadyLoad(server.url, NAME, picture(5), pause_s=0.02) as load:
        report = release_model(
            make_export(tmp_path / "next", by=20, model_name=NAME), base, [server.url], options=OPTIONS
        )
        after = available_versions(server.url, NAME)
        back = rollback_model(base, [server.url], options=OPTIONS, reason="a drill")

    assert report.previous_version == before
    assert after == [report.version]
    assert report.gate["live_version"] == before
    assert Path(report.gate["contact_sheet"]).stat().st_size > 1000
    assert report.swap["failed"] == 0
    assert report.swap["memory_mb"][server.url]["peak"] >= report.swap["memory_mb"][server.url]["before"]
    assert back.version == before
    assert load.failures == []
    assert {to_png(decode_pixels(answer).astype("uint8")) for answer in load.pictures} == {
        shift(picture(5), 10),
        shift(picture(5), 20),
    }
    states = {entry.version: entry.state for entry in list_versions(base, [server.url]).versions}
    assert states[report.version] == "withdrawn"
    assert states[before] == "released"
