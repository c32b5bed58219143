"""Runs that cannot begin: each says why, and leaves nothing behind."""

from __future__ import annotations

import time

import pytest

from tendies_ops.errors import (
    InputFolderError,
    LockHeldError,
    OutputFolderError,
    ServerUnreachableError,
    UsageError,
    VersionGoneError,
)
from tendies_ops.inference import BatchOptions, BatchProgress, run_batch
from tests.support.batch_bench import Bench
from tests.support.sample_pictures import folder_of_pngs, png


def test_no_pictures_is_an_error_unless_it_is_allowed(bench: Bench) -> None:
    bench.add("notes.txt", b"x")
    with pytest.raises(InputFolderError, match=r"No picture was found .*\(1 other files\)"):
        bench.run()
    assert bench.run(allow_empty=True).ok


def test_the_same_folder_twice_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="overwrite the pictures"):
        bench.run(output=str(bench.input))


def test_an_input_that_is_not_there_leaves_no_trace(bench: Bench) -> None:
    with pytest.raises(InputFolderError, match="No such file"):
        bench.run(input=str(bench.input / "nowhere"))
    assert not bench.output.exists()


def test_an_output_that_cannot_be_made_is_said_plainly(bench: Bench) -> None:
    bench.add("a.png", png(1))
    (bench.output.parent / "file").write_text("x")
    with pytest.raises(OutputFolderError, match="cannot be made"):
        bench.run(output=str(bench.output.parent / "file" / "out"))


def test_two_runs_do_not_write_to_one_folder(bench: Bench) -> None:
    folder_of_pngs(bench.input, 2)
    errors = []

    def second(_: BatchProgress) -> None:
        try:
            bench.run()
        except LockHeldError as error:
            errors.append(error)

    run_batch(bench.options(), on_progress=second)
    assert errors


def test_no_server_is_said_at_once(bench: Bench) -> None:
    bench.add("a.png", png(1))
    bench.server.stop()
    started_s = time.monotonic()
    with pytest.raises(ServerUnreachableError, match="nothing listens"):
        bench.run()
    assert time.monotonic() - started_s < 5.0


def test_a_model_that_is_not_served_is_said_at_once(bench: Bench) -> None:
    bench.add("a.png", png(1))
    with pytest.raises(VersionGoneError, match="nosuch"):
        bench.run(model_name="nosuch")


def test_a_version_that_is_not_served_is_said_with_those_that_are(bench: Bench) -> None:
    with pytest.raises(VersionGoneError, match="does not serve version 3 of m; it serves 1"):
        bench.run(version=3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"servers": ()},
        {"max_batch_size": 0},
        {"max_mib_in_flight": 0},
        {"timeout_s": 0.0},
        {"max_megapixels": float("nan")},
        {"output_quality": 0},
        {"run_id": "../x"},
        {"run_id": ""},
    ],
)
def test_wrong_options_are_wrong_usage(wrong: dict[str, object]) -> None:
    values: dict[str, object] = {"input": "a", "output": "b", "model_name": "m", "servers": ("http://h:1",), **wrong}
    with pytest.raises(UsageError):
        BatchOptions(**values)


def test_a_lock_that_cannot_be_taken_is_not_reported_as_another_run(bench: Bench) -> None:
    bench.add("a.png", png(1))
    (bench.output / ".tendies" / "lock").mkdir(parents=True)
    with pytest.raises(OutputFolderError, match=r"The lock of the output folder, .*/lock, cannot be taken: Is a dir"):
        bench.run()
