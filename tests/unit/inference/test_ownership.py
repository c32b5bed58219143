"""Whose results an output folder holds, and who may not replace them."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tendies_ops.errors import OutputOwnedError
from tendies_ops.inference import BatchOptions, BatchReport, run_batch
from tendies_ops.inference.several_runs.sharded_run import ShardPlan, finish_shards, plan_shards
from tests.support.batch_bench import Bench, counts
from tests.support.sample_pictures import encoded, folder_of_pngs, noise, png


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def add_to(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder


def options_as(bench: Bench, model_name: str, **changes: Any) -> BatchOptions:
    """Return the options of a run through a model of that name, which the server serves from now on."""
    bench.model.model_name = model_name
    return bench.options(model_name=model_name, **changes)


def run_as(bench: Bench, model_name: str, **changes: Any) -> BatchReport:
    return run_batch(options_as(bench, model_name, **changes))


def test_a_second_model_is_refused_before_anything_is_written_and_the_owner_is_named(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    run_as(bench, "first")
    before = snapshot(bench.output)
    asked = len(bench.model.predicted)

    with pytest.raises(OutputOwnedError, match=r"belongs to model first.*Give another output folder.*--take-over"):
        run_as(bench, "second")

    assert snapshot(bench.output) == before
    assert len(bench.model.predicted) == asked


def test_a_dry_run_of_a_second_model_is_refused_as_the_run_would_be(bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    run_as(bench, "first")

    with pytest.raises(OutputOwnedError, match="belongs to model first"):
        run_as(bench, "second", dry_run=True)


def test_a_model_that_takes_over_does_everything_and_is_the_owner_from_then_on(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    run_as(bench, "first")

    assert counts(run_as(bench, "second", take_over=True)) == (3, 3, 0, 0)
    assert counts(run_as(bench, "second")) == (3, 0, 3, 0)
    with pytest.raises(OutputOwnedError, match="belongs to model second"):
        run_as(bench, "first")


def test_a_ledger_without_an_owner_file_belongs_to_the_model_in_its_last_line(bench: Bench) -> None:
    folder_of_pngs(bench.input, 3)
    bench.run()
    (bench.output / ".tendies" / "owner.json").unlink()

    with pytest.raises(OutputOwnedError, match="belongs to model m"):
        run_as(bench, "second")
    assert counts(run_as(bench, "m")) == (3, 0, 3, 0)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'{"model_name": "x"}', b"\xff"])
def test_an_owner_file_that_cannot_be_read_is_replaced_by_what_the_ledger_says(bench: Bench, content: bytes) -> None:
    folder_of_pngs(bench.input, 1)
    bench.run()
    (bench.output / ".tendies" / "owner.json").write_bytes(content)

    assert counts(bench.run()) == (1, 0, 1, 0)
    with pytest.raises(OutputOwnedError, match="belongs to model m"):
        run_as(bench, "second")


def test_a_run_that_made_no_result_owns_nothing(bench: Bench) -> None:
    bench.add("damaged.png", png(1)[:60])
    run_as(bench, "first")
    bench.add("whole.png", png(1))

    assert run_as(bench, "second").done == 1


def test_another_input_folder_with_the_same_names_is_refused(bench: Bench, tmp_path: Path) -> None:
    folder_of_pngs(bench.input, 3)
    bench.run()
    before = snapshot(bench.output)
    other = add_to(tmp_path / "other", "00001.png", png(9))

    with pytest.raises(OutputOwnedError, match=r"holds a result for 00001\.png .* another input folder .*one/in"):
        bench.run(input=str(other))

    assert snapshot(bench.output) == before


def test_names_that_differ_by_their_extension_alone_are_the_same_result(bench: Bench, tmp_path: Path) -> None:
    bench.add("a.png", png(1))
    bench.run()
    other = add_to(tmp_path / "other", "a.jpg", encoded(noise(2), "JPEG"))

    with pytest.raises(OutputOwnedError, match=r"holds a result for a\.jpg"):
        bench.run(input=str(other))


def test_another_input_folder_with_other_names_shares_the_output(bench: Bench, tmp_path: Path) -> None:
    folder_of_pngs(bench.input, 3)
    bench.run()
    other = add_to(tmp_path / "other", "later.png", png(9))
    add_to(other, "00001.txt", b"a note beside the pictures")

    assert counts(bench.run(input=str(other))) == (1, 1, 0, 0)
    assert counts(bench.run(input=str(other))) == (1, 0, 1, 0)
    assert counts(bench.run()) == (3, 0, 3, 0)
    bench.add("later.png", png(2))
    with pytest.raises(OutputOwnedError, match=r"holds a result for later\.png"):
        bench.run()
    assert counts(bench.run(take_over=True)) == (4, 1, 3, 0)
    assert counts(bench.run()) == (4, 0, 4, 0)


def test_input_folders_whose_names_are_not_utf8_have_owners_too(bench: Bench, tmp_path: Path) -> None:
    one, other = (Path(os.fsdecode(os.fsencode(tmp_path) + raw)) for raw in (b"/caf\xe9", b"/caf\xe8"))
    add_to(one, "a.png", png(1))
    add_to(other, "b.png", png(2))

    assert counts(bench.run(input=str(one))) == (1, 1, 0, 0)
    assert counts(bench.run(input=str(other))) == (1, 1, 0, 0)
    add_to(other, "a.png", png(3))
    with pytest.raises(OutputOwnedError, match=r"holds a result for a\.png"):
        bench.run(input=str(other))


def test_a_version_whose_results_are_of_another_kind_is_refused(bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    bench.run()
    bench.model.version, bench.model.outputs = 2, {"scores": [-1, -1]}
    bench.model.transform = lambda _: [0.1, 0.9]

    with pytest.raises(OutputOwnedError, match=r"another kind: a picture for each picture, .* a values \(scores\)"):
        bench.run()
    assert bench.run(take_over=True).ok
    assert counts(bench.run()) == (1, 0, 1, 0)


def test_a_version_without_one_of_the_outputs_that_the_folder_holds_is_refused(bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    bench.model.outputs = {"scores": [-1, -1], "classes": [-1, -1]}
    bench.model.transform = lambda _: {"scores": [0.1, 0.9], "classes": ["a", "b"]}
    bench.run()
    bench.model.version, bench.model.outputs = 2, {"scores": [-1, -1]}
    bench.model.transform = lambda _: [0.1, 0.9]

    with pytest.raises(OutputOwnedError, match="another kind"):
        bench.run()


def test_an_output_inside_that_of_another_model_is_refused(bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    run_as(bench, "first")

    with pytest.raises(OutputOwnedError, match=r"holds the results of model first, are one inside the other"):
        run_as(bench, "second", output=str(bench.output / "sub"))
    assert run_as(bench, "first", output=str(bench.output / "sub")).ok


def test_an_output_around_that_of_another_model_is_refused(bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    run_as(bench, "first", output=str(bench.output / "deep" / "sub"))

    with pytest.raises(OutputOwnedError, match=r"deep/sub, which holds the results of model first"):
        run_as(bench, "second")
    assert run_as(bench, "first").ok


def test_an_output_inside_that_of_another_model_in_an_object_store_is_refused(bench: Bench) -> None:
    folder_of_pngs(bench.input, 1)
    output = f"memory://{uuid.uuid4().hex}/out"
    run_as(bench, "first", output=output)

    with pytest.raises(OutputOwnedError, match=rf"{output}, which holds the results of model first"):
        run_as(bench, "second", output=f"{output}/deep/sub")
    assert run_as(bench, "first", output=f"{output}/deep/sub").ok


def test_a_plan_of_shards_is_refused_as_a_run_would_be(bench: Bench) -> None:
    folder_of_pngs(bench.input, 4)
    run_as(bench, "first")

    with pytest.raises(OutputOwnedError, match="belongs to model first"):
        plan_shards(options_as(bench, "second"), max_shards=2)
    with pytest.raises(OutputOwnedError, match="belongs to model first"):
        run_as(bench, "second", shard=(0, 2))


def test_shards_that_take_over_make_one_ledger_of_the_new_owner(bench: Bench) -> None:
    folder_of_pngs(bench.input, 8)
    run_as(bench, "first")
    options = options_as(bench, "second", take_over=True)
    plan_shards(options, max_shards=2)
    runs = [run_batch(options.replaced(shard=(index, 2), run_id=f"shard-{index}")).summary() for index in range(2)]
    whole = finish_shards(options, ShardPlan(1, 8, 1, 2), runs)

    assert (whole.done, whole.ok) == (8, True)
    assert counts(run_as(bench, "second")) == (8, 0, 8, 0)


def test_an_object_store_has_an_owner_too(bench: Bench, tmp_path: Path) -> None:
    folder_of_pngs(bench.input, 3)
    output = f"memory://{uuid.uuid4().hex}/out"
    run_as(bench, "first", output=output)
    other = add_to(tmp_path / "other", "00001.png", png(9))

    with pytest.raises(OutputOwnedError, match="belongs to model first"):
        run_as(bench, "second", output=output)
    with pytest.raises(OutputOwnedError, match=r"holds a result for 00001\.png"):
        run_as(bench, "first", output=output, input=str(other))
    assert run_as(bench, "first", output=output).skipped == 3
    assert run_as(bench, "second", output=output, take_over=True).done == 3
