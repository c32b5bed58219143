"""
The protocol buffers that the server reads and writes, with the fields that it uses.

Their generated classes come only with ``import tensorflow``, which costs seconds and half a gigabyte, and with
tensorflow-serving-api, which would bring gRPC. ``google.protobuf`` alone costs neither. Field numbers and names:
tensorflow/core (framework, protobuf, example) and tensorflow_serving (apis, config, servables/tensorflow).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

#: Field -> number and type: ``[x]`` repeats, ``{x}`` is a map from strings. ``choice/field`` is a member of a oneof.
Fields = Mapping[str, tuple[int, str]]

_TENSORFLOW: Final[Mapping[str, Fields | tuple[str, ...]]] = {
    "Dim": {"size": (1, "int64"), "name": (2, "string")},
    "TensorShapeProto": {"dim": (2, "[Dim]"), "unknown_rank": (3, "bool")},
    "DataType": (
        "DT_INVALID", "DT_FLOAT", "DT_DOUBLE", "DT_INT32", "DT_UINT8", "DT_INT16", "DT_INT8", "DT_STRING",
        "DT_COMPLEX64", "DT_INT64", "DT_BOOL", "DT_QINT8", "DT_QUINT8", "DT_QINT32", "DT_BFLOAT16", "DT_QINT16",
        "DT_QUINT16", "DT_UINT16", "DT_COMPLEX128", "DT_HALF", "DT_RESOURCE", "DT_VARIANT", "DT_UINT32", "DT_UINT64",
        "DT_FLOAT8_E5M2", "DT_FLOAT8_E4M3FN", "DT_FLOAT8_E4M3FNUZ", "DT_FLOAT8_E4M3B11FNUZ", "DT_FLOAT8_E5M2FNUZ",
        "DT_INT4", "DT_UINT4", "DT_INT2", "DT_UINT2", "DT_FLOAT4_E2M1FN",
    ),
    "TensorProto": {"dtype": (1, "DataType"), "tensor_shape": (2, "TensorShapeProto"), "tensor_content": (4, "bytes")},
    "TensorInfo": {"name": (1, "string"), "dtype": (2, "DataType"), "tensor_shape": (3, "TensorShapeProto")},
    "SignatureDef": {
        "inputs": (1, "{TensorInfo}"), "outputs": (2, "{TensorInfo}"), "method_name": (3, "string"),
        "defaults": (4, "{TensorProto}"),
    },
    "MetaGraphDef": {"signature_def": (5, "{SignatureDef}")},
    "GPUOptions": {"per_process_gpu_memory_fraction": (1, "double")},
    "ConfigProto": {
        "intra_op_parallelism_threads": (2, "int32"), "inter_op_parallelism_threads": (5, "int32"),
        "gpu_options": (6, "GPUOptions"), "allow_soft_placement": (7, "bool"),
    },
    "RunOptions": {"timeout_in_ms": (2, "int64")},
    "BytesList": {"value": (1, "[bytes]")},
    "FloatList": {"value": (1, "[float]")},
    "Int64List": {"value": (1, "[int64]")},
    "Feature": {
        "kind/bytes_list": (1, "BytesList"), "kind/float_list": (2, "FloatList"), "kind/int64_list": (3, "Int64List"),
    },
    "Features": {"feature": (1, "{Feature}")},
    "Example": {"features": (1, "Features")},
}  # fmt: skip
_SERVING: Final[Mapping[str, Fields | tuple[str, ...]]] = {
    "ModelSpec": {"name": (1, "string"), "signature_name": (3, "string")},
    "PredictRequest": {"model_spec": (1, "ModelSpec"), "inputs": (2, "{TensorProto}")},
    "PredictLog": {"request": (1, "PredictRequest")},
    "PredictionLog": {"log_type/predict_log": (6, "PredictLog")},
    "Latest": {"num_versions": (1, "uint32")},
    "All": {},
    "Specific": {"versions": (1, "[int64]")},
    "ServableVersionPolicy": {
        "policy_choice/latest": (100, "Latest"), "policy_choice/all": (101, "All"),
        "policy_choice/specific": (102, "Specific"),
    },
    "ModelType": ("MODEL_TYPE_UNSPECIFIED", "TENSORFLOW", "OTHER"),
    "ModelConfig": {
        "name": (1, "string"), "base_path": (2, "string"), "model_type": (3, "ModelType"),
        "model_platform": (4, "string"), "model_version_policy": (7, "ServableVersionPolicy"),
        "version_labels": (8, "{int64}"),
    },
    "ModelConfigList": {"config": (1, "[ModelConfig]")},
    "ModelServerConfig": {"model_config_list": (1, "ModelConfigList")},
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, "PrometheusConfig")},
    "Int64Value": {"value": (1, "int64")},
    "BoolValue": {"value": (1, "bool")},
    "StringValue": {"value": (1, "string")},
    "BatchingParameters": {
        "max_batch_size": (1, "Int64Value"), "batch_timeout_micros": (2, "Int64Value"),
        "max_enqueued_batches": (3, "Int64Value"), "num_batch_threads": (4, "Int64Value"),
        "thread_pool_name": (5, "StringValue"), "allowed_batch_sizes": (6, "[int64]"),
        "pad_variable_length_inputs": (7, "bool"), "enable_large_batch_splitting": (8, "BoolValue"),
        "max_execution_batch_size": (9, "Int64Value"),
    },
}  # fmt: skip

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    kind: getattr(_Field, f"TYPE_{kind.upper()}")
    for kind in ("double", "float", "int64", "uint64", "int32", "uint32", "bool", "string", "bytes")
}


_ENUMS: Final = ("DataType", "ModelType")


def _file(package: str, types: Mapping[str, Fields | tuple[str, ...]]) -> Any:
    """Describe the types of a package as protoc would."""
    file = descriptor_pb2.FileDescriptorProto(name=package, package=package, syntax="proto3")
    for name, content in types.items():
        if isinstance(content, tuple):
            values = [{"name": value, "number": number} for number, value in enumerate(content)]
            file.enum_type.add(name=name, value=values)
        else:
            _add_message(file, name, content)
    if package != "tensorflow":
        file.dependency.append("tensorflow")
    return file


def _add_message(file: Any, name: str, fields: Fields) -> None:
    message = file.message_type.add(name=name)
    for key, (number, kind) in fields.items():
        choice, _, field_name = key.rpartition("/")
        is_many = kind[0] in "[{"
        label = _Field.LABEL_REPEATED if is_many else _Field.LABEL_OPTIONAL
        field = message.field.add(name=field_name, number=number, label=label)
        _set_type(field, kind.strip("[]{}"))
        if choice:
            if not message.oneof_decl:
                message.oneof_decl.add(name=choice)
            field.oneof_index = 0
        if kind[0] == "{":
            _make_map(message, field, f".{file.package}.{name}")


def _make_map(message: Any, field: Any, owner: str) -> None:
    """Turn a field into a map: on the wire, a repeated message of key and value."""
    entry = message.nested_type.add(name=field.name.title().replace("_", "") + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
    value = entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL, type=field.type)
    if field.type_name:
        value.type_name = field.type_name
    field.type, field.type_name = _Field.TYPE_MESSAGE, f"{owner}.{entry.name}"


def _set_type(field: Any, kind: str) -> None:
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _Field.TYPE_ENUM if kind in _ENUMS else _Field.TYPE_MESSAGE
    field.type_name = f".tensorflow.{kind}" if kind in _TENSORFLOW else f".tensorflow.serving.{kind}"


_pool: Final = descriptor_pool.DescriptorPool()  # of our own: TensorFlow's classes may be in the process too
for _package, _types in (("tensorflow", _TENSORFLOW), ("tensorflow.serving", _SERVING)):
    _pool.Add(_file(_package, _types))


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(name))


DataType: Final = _pool.FindEnumTypeByName("tensorflow.DataType")
MetaGraphDef: Final = _class("tensorflow.MetaGraphDef")
SignatureDef: Final = _class("tensorflow.SignatureDef")
TensorProto: Final = _class("tensorflow.TensorProto")
ConfigProto: Final = _class("tensorflow.ConfigProto")
RunOptions: Final = _class("tensorflow.RunOptions")
Example: Final = _class("tensorflow.Example")
PredictionLog: Final = _class("tensorflow.serving.PredictionLog")
ModelServerConfig: Final = _class("tensorflow.serving.ModelServerConfig")
MonitoringConfig: Final = _class("tensorflow.serving.MonitoringConfig")
BatchingParameters: Final = _class("tensorflow.serving.BatchingParameters")
