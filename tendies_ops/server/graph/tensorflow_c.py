"""
TensorFlow's C library, called through ctypes: the only module that uses TensorFlow.

The ``tensorflow`` package carries the library that tensorflow_model_server is built from. Calling it directly loads a
SavedModel with the same C++ code as the real server (hence the same errors, to the letter), needs neither the seconds
nor the memory of ``import tensorflow``, and releases the interpreter lock while graphs load and run.
Source: tensorflow/c/c_api.h, tf_tensor.h, tf_tstring.h of the package's ``include`` directory.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any, Final

from tendies_ops.errors import UsageError
from tendies_ops.server.status_codes import CODES, StatusError

TSTRING_SIZE_BYTES: Final = 24  # sizeof(TF_TString), fixed by the ABI of tf_tstring.h

_P = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int


class Buffer(ctypes.Structure):
    """``TF_Buffer``."""

    _fields_ = (("data", _P), ("length", _SIZE), ("deallocator", _P))


class Output(ctypes.Structure):
    """``TF_Output``: one output of one operation of a graph."""

    _fields_ = (("operation", _P), ("index", _INT))


# name -> (result, arguments)
_FUNCTIONS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "TF_NewStatus": (_P, []),
    "TF_DeleteStatus": (None, [_P]),
    "TF_GetCode": (_INT, [_P]),
    "TF_Message": (ctypes.c_char_p, [_P]),
    "TF_NewGraph": (_P, []),
    "TF_DeleteGraph": (None, [_P]),
    "TF_GraphOperationByName": (_P, [_P, ctypes.c_char_p]),
    "TF_NewSessionOptions": (_P, []),
    "TF_DeleteSessionOptions": (None, [_P]),
    "TF_SetConfig": (None, [_P, ctypes.c_char_p, _SIZE, _P]),
    "TF_LoadSessionFromSavedModel": (_P, [_P, _P, ctypes.c_char_p, _P, _INT, _P, _P, _P]),
    "TF_CloseSession": (None, [_P, _P]),
    "TF_DeleteSession": (None, [_P, _P]),
    "TF_SessionRun": (None, [_P, _P, _P, _P, _INT, _P, _P, _INT, _P, _INT, _P, _P]),
    "TF_NewBuffer": (ctypes.POINTER(Buffer), []),
    "TF_NewBufferFromString": (ctypes.POINTER(Buffer), [ctypes.c_char_p, _SIZE]),
    "TF_DeleteBuffer": (None, [_P]),
    "TF_AllocateTensor": (_P, [_INT, _P, _INT, _SIZE]),
    "TF_TensorFromProto": (None, [_P, _P, _P]),
    "TF_DeleteTensor": (None, [_P]),
    "TF_TensorData": (_P, [_P]),
    "TF_TensorByteSize": (_SIZE, [_P]),
    "TF_TensorType": (_INT, [_P]),
    "TF_NumDims": (_INT, [_P]),
    "TF_Dim": (ctypes.c_int64, [_P, _INT]),
    "TF_StringCopy": (None, [_P, _P, _SIZE]),
    "TF_StringGetDataPointer": (_P, [_P]),
    "TF_StringGetSize": (_SIZE, [_P]),
}
# These may take long or block. All others take less time than releasing the interpreter lock and waiting for it again.
_LONG_CALLS: Final = frozenset(
    {
        "TF_LoadSessionFromSavedModel",
        "TF_SessionRun",
        "TF_CloseSession",
        "TF_DeleteSession",
        "TF_DeleteGraph",
        "TF_GraphOperationByName",
    }
)


def package_dir() -> Path:
    """
    Return the directory of the tensorflow package without importing it.

    :raises UsageError: it is not installed.
    """
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "The embedded Model Server needs TensorFlow, which is not installed in this Python. "
            "Install it with: pip install 'airflow-provider-tendies[tensorflow]'."
        )
    return Path(next(iter(spec.submodule_search_locations)))


@functools.cache
def library() -> Any:
    """
    Return the library's functions as attributes, loaded at the first call.

    :raises UsageError: TensorFlow is not installed.
    """
    # Otherwise TensorFlow logs a dozen lines at each load. A value that is set already is respected.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    directory = package_dir()
    suffix = "2.dylib" if sys.platform == "darwin" else "so.2"
    framework = directory / f"libtensorflow_framework.{suffix}"
    main = directory / f"libtensorflow_cc.{suffix}"
    ctypes.CDLL(str(framework), mode=ctypes.RTLD_GLOBAL)
    releasing = ctypes.CDLL(str(main))
    holding = ctypes.PyDLL(str(main))
    functions = types.SimpleNamespace()
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(releasing if name in _LONG_CALLS else holding, name)
        function.restype, function.argtypes = result, arguments
        setattr(functions, name, function)
    return functions


class Status:
    """A ``TF_Status`` for one call; leaving the ``with`` block raises its error."""

    def __init__(self) -> None:
        self._library = library()
        self.handle: int = self._library.TF_NewStatus()

    def __enter__(self) -> Status:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._raise()
        finally:
            self._library.TF_DeleteStatus(self.handle)

    def _raise(self) -> None:
        code = self._library.TF_GetCode(self.handle)
        if code:
            message: bytes = self._library.TF_Message(self.handle)
            name = CODES[code] if code < len(CODES) else "UNKNOWN"
            raise StatusError(name, message.decode("utf-8", "surrogateescape"))
