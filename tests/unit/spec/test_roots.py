"""Which places a run may name instead of those of its spec."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tendies_ops.errors import UsageError
from tendies_ops.spec import ModelSpec, load_spec
from tendies_ops.spec.roots import (
    CHECKPOINTS_VARIABLE,
    INPUTS_VARIABLE,
    checkpoint_roots,
    input_roots,
    output_roots,
    require_allowed_checkpoint,
)


def spec(checkpoint: Path, **sections: Any) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "m", "source": {"checkpoint": checkpoint}, **sections})


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_the_own_folders_of_a_spec_are_allowed_without_configuration(tmp_path: Path) -> None:
    file = put(tmp_path / "weights" / "net.keras")
    made = spec(file, batch={"input": "/in", "output": "s3://out"}, airflow={"watch_dir": "/watched"})
    assert checkpoint_roots(made, {}) == (str(file.parent), "/watched")
    assert (input_roots(made.batch, environment={}), output_roots(made.batch, environment={})) == (
        ("/in",),
        ("s3://out",),
    )


def test_a_checkpoint_folder_allows_itself_and_not_what_is_next_to_it(tmp_path: Path) -> None:
    put(tmp_path / "run-1" / "checkpoint")
    assert checkpoint_roots(spec(tmp_path / "run-1"), {}) == (str(tmp_path / "run-1"),)


def test_a_checkpoint_that_is_not_there_does_not_open_its_parent(tmp_path: Path) -> None:
    assert checkpoint_roots(spec(tmp_path / "later"), {}) == (str(tmp_path / "later"),)


def test_a_checkpoint_in_the_root_of_the_file_system_does_not_open_all_of_it() -> None:
    assert checkpoint_roots(spec(Path("/etc")), {}) == ("/etc",)
    assert checkpoint_roots(spec(Path("/net.h5")), {}) == ("/net.h5",)


def test_a_spec_and_the_deployment_can_allow_more(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "model_name: m\nsource: {checkpoint: c, allowed_checkpoints: [more]}\n"
        "batch: {allowed_inputs: [in, 's3://bucket/'], allowed_outputs: [out]}\n"
    )
    made = load_spec(tmp_path / "m.yaml")
    environment = {CHECKPOINTS_VARIABLE: "/trained, /old ,", INPUTS_VARIABLE: "s3://"}
    assert checkpoint_roots(made, environment) == (f"{tmp_path}/c", f"{tmp_path}/more", "/trained", "/old")
    assert input_roots(made.batch, environment=environment) == (f"{tmp_path}/in", "s3://bucket/", "s3://")
    assert output_roots(made.batch, environment=environment) == (f"{tmp_path}/out",)


def test_a_checkpoint_given_to_a_run_may_be_a_neighbour_of_the_own_one(tmp_path: Path) -> None:
    own, other = put(tmp_path / "w" / "ckpt-1.index"), put(tmp_path / "w" / "ckpt-2.index")
    made = spec(own.with_suffix(""))
    assert require_allowed_checkpoint(made, str(other.with_suffix(""))) == other.with_suffix("")
    assert require_allowed_checkpoint(made, str(made.source.checkpoint)) == made.source.checkpoint


@pytest.mark.parametrize(
    "given", ["{}/secret/net.h5", "{}/w/../secret/net.h5", "{}/w/link.h5", "/etc", "s3://b/net.h5"]
)
def test_a_checkpoint_outside_the_allowed_folders_is_refused(tmp_path: Path, given: str) -> None:
    own, secret = put(tmp_path / "w" / "net.h5"), put(tmp_path / "secret" / "net.h5")
    (tmp_path / "w" / "link.h5").symlink_to(secret)
    with pytest.raises(UsageError, match=r"source\.allowed_checkpoints"):
        require_allowed_checkpoint(spec(own), given.format(tmp_path))


def test_a_file_of_a_checkpoint_that_links_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    own, secret = put(tmp_path / "w" / "net.h5"), put(tmp_path / "secret" / "x")
    for name in ("ckpt-3.index", "saved/saved_model.pb"):
        put(tmp_path / "w" / name)
    (tmp_path / "w" / "ckpt-3.data-00000-of-00001").symlink_to(secret)
    (tmp_path / "w" / "saved" / "variables").symlink_to(secret.parent)
    for given in ("ckpt-3", "ckpt-3.index", "saved", "saved/saved_model.pb"):
        with pytest.raises(UsageError, match="A file of the checkpoint"):
            require_allowed_checkpoint(spec(own), str(tmp_path / "w" / given))
