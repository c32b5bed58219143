"""A graph that would do more than compute is refused by the names of its operations, before any of it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tendies_ops.errors import UntrustedModelError
from tendies_ops.export import check_loads
from tendies_ops.spec import ModelSpec
from tests.support.pixels import pixels_of, png, random_pixels
from tests.with_tensorflow.export.exported import ExportHere
from tests.with_tensorflow.export.hostile_graphs import HOSTILE


def spec_of(source: dict[str, Any]) -> ModelSpec:
    return ModelSpec.model_validate({"model_name": "net", "source": source})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_graph_that_does_more_than_compute_is_refused_before_it_runs(
    name: str, tmp_path: Path, export_here: ExportHere
) -> None:
    mark = tmp_path / "mark"
    source = HOSTILE[name](tmp_path, mark)
    mark.unlink(missing_ok=True)  # making it may have run it

    with pytest.raises(UntrustedModelError, match=r"more than|a file of its own"):
        export_here(spec_of(source))

    assert not mark.exists()


def test_the_message_names_each_operation_and_how_to_allow_it(tmp_path: Path, export_here: ExportHere) -> None:
    source = HOSTILE["frozen graph that writes"](tmp_path, tmp_path / "mark")

    with pytest.raises(
        UntrustedModelError, match=r"WriteFile \(reads or writes files\).*allow_operations: \[WriteFile\]"
    ):
        export_here(spec_of(source))


def test_an_allowed_operation_is_exported_and_recorded_in_the_manifest(tmp_path: Path, export_here: ExportHere) -> None:
    source = HOSTILE["saved model that reads a file into the picture"](tmp_path, tmp_path / "mark")

    exported = export_here(spec_of({**source, "allow_operations": ["ReadFile", "WriteFile"]}))

    trust = exported.manifest.trust
    assert trust is not None
    assert (trust.allowed_operations, trust.used, trust.code) == (("ReadFile", "WriteFile"), ("ReadFile",), False)
    assert trust.operations["ReadFile"] == 1
    with pytest.raises(UntrustedModelError, match="ReadFile"):
        check_loads(exported.directory)
    check_loads(exported.directory, allowed=["ReadFile"])


def test_readers_savers_and_summaries_next_to_a_network_do_not_stop_its_export(
    tmp_path: Path, export_here: ExportHere
) -> None:
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        names = v1.train.string_input_producer(["a.png"])
        image = tf.io.decode_png(tf.io.read_file(names.dequeue()), channels=3)
        batch = v1.train.batch([tf.cast(tf.ensure_shape(image, [8, 8, 3]), tf.float32)], 1)
        gain = v1.get_variable("gain", [3], initializer=v1.constant_initializer(0.5))
        result = tf.multiply(batch, gain, name="result")
        v1.summary.image("result", result)
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(tmp_path / "model.ckpt"))
    source = {"checkpoint": tmp_path / "model.ckpt", "input_tensor": batch.name, "output_tensors": {"output": "result"}}

    pixels = random_pixels(8, 8)
    exported = export_here(spec_of(source))

    answer = pixels_of(exported.send(png(pixels))["output_bytes"][0])
    assert np.abs(answer.astype(float) - pixels * 0.5).max() <= 1
    assert exported.manifest.trust is not None
    assert not any("Queue" in name or "File" in name for name in exported.manifest.trust.operations)
