"""The warm-up records are what Model Server reads, and each of them succeeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

from tendies_ops.export.warmup_records import MAX_RECORDS, WARMUP_PATH
from tests.with_tensorflow.export.exported import Exported, ExportHere
from tests.with_tensorflow.export.test_sources import SOURCES, small_spec


def messages() -> Any:
    """PredictionLog and what it holds, by the field numbers that tensorflow/serving publishes."""
    text, message, repeated = 9, 11, 3
    layout: dict[str, list[tuple[str, int, int, str | None, int]]] = {
        "ModelSpec": [("name", 1, text, None, 1), ("signature_name", 3, text, None, 1)],
        "Entry": [("key", 1, text, None, 1), ("value", 2, 12, None, 1)],
        "PredictRequest": [("model_spec", 1, message, "ModelSpec", 1), ("inputs", 2, message, "Entry", repeated)],
        "PredictLog": [("request", 1, message, "PredictRequest", 1)],
        "PredictionLog": [("predict_log", 6, message, "PredictLog", 1)],
    }
    file = descriptor_pb2.FileDescriptorProto(name="serving.proto", package="t", syntax="proto3")
    for name, fields in layout.items():
        kind = file.message_type.add(name=name)
        for field, number, wire, of, label in fields:
            kind.field.add(name=field, number=number, type=wire, label=label, type_name=of and f".t.{of}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.PredictionLog"))


def requests_of(exported: Exported) -> Iterator[tuple[Any, dict[str, NDArray[Any]]]]:
    import tensorflow as tf

    log = messages()
    for record in tf.data.TFRecordDataset(str(exported.directory / WARMUP_PATH)):
        parsed = log.FromString(record.numpy())
        tensors = {e.key: tf.make_ndarray(tensor_proto(e.value)) for e in parsed.predict_log.request.inputs}
        yield parsed.predict_log.request.model_spec, tensors


def tensor_proto(data: bytes) -> Any:
    from tensorflow.core.framework.tensor_pb2 import TensorProto

    return TensorProto.FromString(data)


def test_the_records_are_golden_requests_that_succeed(small_sources: Path, export_here: ExportHere) -> None:
    exported = export_here(small_spec(small_sources, SOURCES["frozen_graph"]))
    found = list(requests_of(exported))

    assert len(found) == MAX_RECORDS
    for (model_spec, tensors), golden in zip(found, exported.manifest.golden, strict=False):
        assert (model_spec.name, model_spec.signature_name) == ("small", "serving_default")
        assert list(tensors) == ["input_bytes"]
        assert tensors["input_bytes"].tolist() == [(exported.directory / golden.input).read_bytes()]
        promised = (exported.directory / golden.outputs["output_bytes"]).read_bytes()
        assert exported.send(*tensors["input_bytes"].tolist())["output_bytes"][0] == promised


@pytest.mark.shared_data
def test_further_inputs_are_in_the_records(export_here: ExportHere, shared_data: Path) -> None:
    found = list(requests_of(export_here("magenta_any_style")))

    assert found
    assert all(tensors["style"].tolist() == [0] for _, tensors in found)


def test_a_large_golden_image_makes_a_length_of_several_bytes(tmp_path: Path) -> None:
    from tendies_ops.export.warmup_records import prediction_log

    parsed = messages().FromString(prediction_log("m" * 300, {"input_bytes": [b"x" * 70_000]}))
    assert parsed.predict_log.request.model_spec.name == "m" * 300
    assert tensor_proto(parsed.predict_log.request.inputs[0].value).string_val[0] == b"x" * 70_000
