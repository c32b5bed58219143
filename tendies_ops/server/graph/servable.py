"""One loaded SavedModel."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tendies_ops.server.flags import Flags
from tendies_ops.server.graph.signatures import Signature, TensorInfo, read_signatures
from tendies_ops.server.graph.tensorflow_c import TSTRING_SIZE_BYTES, Output, Status, library
from tendies_ops.server.graph.tensors import STRING, Tensor, dtype_of, string_tensor
from tendies_ops.server.protobuf.messages import ConfigProto, RunOptions, TensorProto
from tendies_ops.server.status_codes import StatusError, invalid_argument

MAX_RANK = 254  # tensorflow/core/framework/tensor_shape.h, MaxDimensions


class Servable(Protocol):
    """A loaded version, as the server uses it; tests have one without TensorFlow."""

    signatures: Mapping[str, Signature]

    def run(self, signature: Signature, inputs: Mapping[str, Tensor], *, timeout_ms: int = 0) -> dict[str, Tensor]:
        """Run a signature; a ``timeout_ms`` of 0 means no limit."""

    def close(self) -> None:
        """Free the memory; no request is running any more."""


class Loader(Protocol):
    """Loads a version directory; raises StatusError if that fails."""

    def __call__(self, model_name: str, version: int, version_dir: Path) -> Servable:
        """Load it, warm-up included."""


def session_config(flags: Flags) -> Any:
    """
    Return TensorFlow's session settings as a ConfigProto.

    :raises StatusError: the flags contradict each other.
    """
    both = flags.tensorflow_session_parallelism
    intra, inter = flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism
    if both > 0 and intra > 0 and inter > 0:
        raise invalid_argument(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all."
        )
    separate = intra > 0 or inter > 0
    return ConfigProto(
        intra_op_parallelism_threads=intra if separate else both,
        inter_op_parallelism_threads=inter if separate else both,
        gpu_options={"per_process_gpu_memory_fraction": flags.per_process_gpu_memory_fraction},
        # As in the real server: an operation without a kernel for the wanted device runs on another device.
        allow_soft_placement=True,
    )


class SavedModelServable:
    """
    A SavedModel in a TensorFlow session.

    :raises StatusError: it does not load; the message is TensorFlow's.
    """

    def __init__(self, version_dir: Path, flags: Flags) -> None:
        self._tf = library()
        self._graph = self._tf.TF_NewGraph()
        self._session: int | None = None
        try:
            self._session, meta_graph = self._load(version_dir, flags)
        except BaseException:
            self.close()
            raise
        self.signatures: Mapping[str, Signature] = read_signatures(meta_graph)
        self._outputs: dict[str, Output] = {}

    def _load(self, version_dir: Path, flags: Flags) -> tuple[int, bytes]:
        config = session_config(flags).SerializeToString()
        names = [tag.encode() for tag in flags.saved_model_tags.split(",")]
        options = self._tf.TF_NewSessionOptions()
        meta_graph = self._tf.TF_NewBuffer()
        tags = (ctypes.c_char_p * len(names))(*names)
        try:
            with Status() as status:
                self._tf.TF_SetConfig(options, config, len(config), status.handle)
            with Status() as status:
                session = self._tf.TF_LoadSessionFromSavedModel(
                    options, None, str(version_dir).encode(), tags, len(tags), self._graph, meta_graph, status.handle
                )
            return session, ctypes.string_at(meta_graph.contents.data, meta_graph.contents.length)
        finally:
            self._tf.TF_DeleteBuffer(meta_graph)
            self._tf.TF_DeleteSessionOptions(options)

    def run(self, signature: Signature, inputs: Mapping[str, Tensor], *, timeout_ms: int = 0) -> dict[str, Tensor]:
        """
        Run a signature's graph, with the interpreter lock released; safe to call from any thread.

        :param inputs: name in the signature -> tensor.
        :raises StatusError: with the session's message.
        """
        feeds = [(self._output(signature.inputs[name]), name, tensor) for name, tensor in inputs.items()]
        fetches = [self._output(info) for info in signature.outputs.values()]
        handles: list[int] = []
        try:
            handles.extend(_new_tensor(self._tf, name, tensor) for _, name, tensor in feeds)
            results = self._session_run([output for output, _, _ in feeds], handles, fetches, timeout_ms)
        finally:
            for handle in handles:
                self._tf.TF_DeleteTensor(handle)
        try:
            values = [_read_tensor(self._tf, handle) for handle in results]
        finally:
            for handle in results:
                self._tf.TF_DeleteTensor(handle)
        return dict(zip(signature.outputs, values, strict=True))

    def _session_run(
        self, feeds: list[Output], tensors: list[int], fetches: list[Output], timeout_ms: int
    ) -> list[int]:
        results = (ctypes.c_void_p * len(fetches))()
        run_options = _run_options(self._tf, timeout_ms)
        try:
            with Status() as status:
                self._tf.TF_SessionRun(
                    self._session,
                    run_options,
                    (Output * len(feeds))(*feeds),
                    (ctypes.c_void_p * len(tensors))(*tensors),
                    len(feeds),
                    (Output * len(fetches))(*fetches),
                    results,
                    len(fetches),
                    None,
                    0,
                    None,
                    status.handle,
                )
        finally:
            if run_options is not None:
                self._tf.TF_DeleteBuffer(run_options)
        return [int(result or 0) for result in results]

    def _output(self, info: TensorInfo) -> Output:
        found = self._outputs.get(info.tensor_name)
        if found is None:
            operation, _, index = info.tensor_name.partition(":")
            handle = self._tf.TF_GraphOperationByName(self._graph, operation.encode())
            if not handle:
                raise StatusError(
                    "INVALID_ARGUMENT", f"Tensor {info.tensor_name}, specified in either feed_devices or "
                    "fetch_devices was not found in the Graph"
                )  # fmt: skip
            found = self._outputs[info.tensor_name] = Output(handle, int(index or 0))
        return found

    def close(self) -> None:
        """Delete the session and the graph."""
        session, self._session = self._session, None
        graph, self._graph = self._graph, None
        if session:
            with Status() as status:
                self._tf.TF_CloseSession(session, status.handle)
            with Status() as status:
                self._tf.TF_DeleteSession(session, status.handle)
        if graph:
            self._tf.TF_DeleteGraph(graph)


def _run_options(tf: Any, timeout_ms: int) -> Any:
    if timeout_ms <= 0:
        return None
    options = RunOptions(timeout_in_ms=timeout_ms).SerializeToString()
    return tf.TF_NewBufferFromString(options, len(options))


def _dims(shape: tuple[int, ...]) -> Any:
    return (ctypes.c_int64 * len(shape))(*shape)


def _new_tensor(tf: Any, name: str, tensor: Tensor) -> int:
    if len(tensor.shape) > MAX_RANK:
        raise invalid_argument(f"tensor parsing error: {name}")  # predict_util.cc: the proto does not become a tensor
    if tensor.values is None:
        return _new_opaque_tensor(tf, name, tensor)
    if tensor.dtype is STRING:
        return _new_string_tensor(tf, tensor.shape, tensor.values)
    array = np.ascontiguousarray(tensor.values)
    handle: int = tf.TF_AllocateTensor(tensor.dtype.number, _dims(tensor.shape), len(tensor.shape), array.nbytes)
    ctypes.memmove(tf.TF_TensorData(handle), array.ctypes.data, array.nbytes)
    return handle


def _new_opaque_tensor(tf: Any, name: str, tensor: Tensor) -> int:
    shape = {"dim": [{"size": size} for size in tensor.shape]}
    proto = tensor.proto or TensorProto(dtype=tensor.dtype.number, tensor_shape=shape).SerializeToString()
    handle: int = tf.TF_AllocateTensor(tensor.dtype.number, _dims((0,)), 1, 0)  # to be replaced
    buffer = tf.TF_NewBufferFromString(proto, len(proto))
    try:
        with Status() as status:
            tf.TF_TensorFromProto(buffer, handle, status.handle)
    except StatusError:
        tf.TF_DeleteTensor(handle)
        raise invalid_argument(f"tensor parsing error: {name}") from None
    finally:
        tf.TF_DeleteBuffer(buffer)
    return handle


def _new_string_tensor(tf: Any, shape: tuple[int, ...], values: Iterable[bytes]) -> int:
    size_bytes = math.prod(shape) * TSTRING_SIZE_BYTES
    handle: int = tf.TF_AllocateTensor(STRING.number, _dims(shape), len(shape), size_bytes)
    address = tf.TF_TensorData(handle)
    if size_bytes:
        ctypes.memset(address, 0, size_bytes)  # an empty small string, what TF_StringInit writes
    for value in values:
        tf.TF_StringCopy(address, value, len(value))
        address += TSTRING_SIZE_BYTES
    return handle


def _read_tensor(tf: Any, handle: int) -> Tensor:
    shape = tuple(tf.TF_Dim(handle, axis) for axis in range(tf.TF_NumDims(handle)))
    dtype = dtype_of(tf.TF_TensorType(handle))
    if dtype is STRING:
        return _read_string_tensor(tf, handle, shape)
    if dtype.numpy is None:
        return Tensor(shape, dtype)
    size_bytes = tf.TF_TensorByteSize(handle)
    content = ctypes.string_at(tf.TF_TensorData(handle), size_bytes) if size_bytes else b""
    return Tensor(shape, dtype, np.frombuffer(content, dtype.numpy))


def _read_string_tensor(tf: Any, handle: int, shape: tuple[int, ...]) -> Tensor:
    address = tf.TF_TensorData(handle)
    values = []
    for _ in range(math.prod(shape)):
        size_bytes = tf.TF_StringGetSize(address)
        values.append(ctypes.string_at(tf.TF_StringGetDataPointer(address), size_bytes) if size_bytes else b"")
        address += TSTRING_SIZE_BYTES
    return string_tensor(shape, values)
