"""Checkpoints that cannot be read, or do not fit the graph."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.with_tensorflow.export.broken_inputs import Broken, case, cut, damaged, tf1, tf2
from tests.with_tensorflow.export.small_sources import WEIGHTS, copy_of, write_tf1_checkpoint, write_tf2_generators

DATA = "model.ckpt-7.data-00000-of-00001"


@case
def truncated_shard(small: Path, tmp: Path) -> Broken:
    return tf1(damaged(small, tmp, DATA, cut)), "cannot be read"


@case
def missing_shard(small: Path, tmp: Path) -> Broken:
    return tf1(damaged(small, tmp, DATA, Path.unlink)), "is not whole"


@case
def missing_index(small: Path, tmp: Path) -> Broken:
    return tf1(damaged(small, tmp, "model.ckpt-7.index", Path.unlink)), "which is not there"


@case
def missing_index_of_a_prefix(small: Path, tmp: Path) -> Broken:
    return tf1(damaged(small, tmp, "model.ckpt-7.index", Path.unlink) / "model.ckpt-7"), "no model.ckpt-7.index"


@case
def checkpoint_that_is_written_meanwhile(small: Path, tmp: Path) -> Broken:
    folder = copy_of(small / "tf1", tmp / "tf1")
    builder_arguments = {"file": str(folder / DATA)}
    words = f"{DATA} was written to or removed while it was read"
    return tf1(folder, "graph_while_the_trainer_writes", builder_arguments=builder_arguments), words


@case
def checkpoint_that_is_removed_meanwhile(small: Path, tmp: Path) -> Broken:
    folder = copy_of(small / "tf1", tmp / "tf1")
    (tmp / "cleaning.py").write_text("import shutil\n\n\ndef build(image, folder):\n    shutil.rmtree(folder)\n")
    source = {
        "checkpoint": str(folder),
        "builder": f"{tmp}/cleaning.py:build",
        "builder_arguments": {"folder": str(folder)},
    }
    return {"model_name": "broken", "source": source}, "was written to or removed while it was read"


@case
def garbage_index(small: Path, tmp: Path) -> Broken:
    return tf1(damaged(small, tmp, "model.ckpt-7.index", lambda p: p.write_bytes(b"x" * 500))), "cannot be read"


@case
def empty_directory(small: Path, tmp: Path) -> Broken:
    (tmp / "empty").mkdir()
    return tf1(tmp / "empty"), "holds no checkpoint"


@case
def no_such_checkpoint(small: Path, tmp: Path) -> Broken:
    return tf1(tmp / "nowhere" / "model.ckpt"), "does not exist either"


@case
def state_file_names_what_is_gone(small: Path, tmp: Path) -> Broken:
    (tmp / "gone").mkdir()
    (tmp / "gone" / "checkpoint").write_text('model_checkpoint_path: "/old/place/model.ckpt-9"\n')
    return tf1(tmp / "gone"), "/old/place/model.ckpt-9, which is not there"


@case
def state_file_without_a_name(small: Path, tmp: Path) -> Broken:
    (tmp / "odd").mkdir()
    (tmp / "odd" / "checkpoint").write_text("hello\n")
    return tf1(tmp / "odd"), "names no checkpoint"


@case
def unreadable_file(small: Path, tmp: Path) -> Broken:
    loop = tmp / "model.keras"  # a link to itself: unreadable for root too
    loop.symlink_to(loop)
    return {"model_name": "broken", "source": {"checkpoint": str(loop)}}, "model.keras"


@case
def variable_of_another_shape(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", builder_arguments={"filters": 4}), "G/conv/weights is [3, 3, 3, 4] in the graph"


@case
def variable_of_another_name(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", "graph_under_another_name"), "nearest in the checkpoint: G/conv/"


@case
def variable_map_that_is_no_pattern(small: Path, tmp: Path) -> Broken:
    return tf1(small / "tf1", variable_map={"G/(": "x"}), "source.variable_map"


@case
def nan_weights(small: Path, tmp: Path) -> Broken:
    write_tf1_checkpoint(tmp / "nan" / "model.ckpt-1", weights=np.where(WEIGHTS > 0.5, np.nan, WEIGHTS))
    return tf1(tmp / "nan"), "NaN or infinite"


@case
def tf2_variable_of_another_name(small: Path, tmp: Path) -> Broken:
    return tf2(small, "renamed_model"), "kernel"


@case
def tf2_variable_of_another_shape(small: Path, tmp: Path) -> Broken:
    return tf2(small, builder_arguments={"filters": 5}), "[3, 3, 3, 5] in the model"


@case
def tf2_checkpoint_with_two_generators_of_one_build(small: Path, tmp: Path) -> Broken:
    write_tf2_generators(tmp / "cyclegan" / "ck", generator_f=-WEIGHTS, generator_g=WEIGHTS)
    return tf1(tmp / "cyclegan", "model"), "more than once: as generator_f, generator_g"


@case
def checkpoint_in_a_folder_that_tensorflow_takes_for_a_pattern(small: Path, tmp: Path) -> Broken:
    return tf1(copy_of(small / "tf1", tmp / "run[2]")), "takes `[`, `]` and `\\` in a path for a pattern"


@case
def saved_model_without_its_variables(small: Path, tmp: Path) -> Broken:
    folder = copy_of(small / "saved_tf2", tmp / "saved")
    (folder / "variables" / "variables.index").unlink()
    return {"model_name": "broken", "source": {"checkpoint": str(folder)}}, "has no variables/variables.index"
