"""Calling the user's own Python that builds a graph or a model."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tendies_ops.errors import ExportError, SpecError

Builder = Callable[..., Any]


def load_builder(reference: str) -> Builder:
    """
    Import ``module:function`` or ``path/to/file.py:function``.

    :raises SpecError: there is no such file, module or function, or importing it fails.
    """
    place, separator, name = reference.rpartition(":")
    if not separator or not place or not name:
        raise SpecError(f"source.builder must be `module:function` or `file.py:function`; found {reference!r}.")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    function = getattr(module, name, None)
    if callable(function):
        return function  # type: ignore[no-any-return]
    candidates = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
    nearest = difflib.get_close_matches(name, candidates, n=1)
    hint = f"Did you mean `{nearest[0]}`?" if nearest else f"It has {', '.join(candidates[:8]) or 'no functions'}."
    raise SpecError(f"{place} has no function `{name}`. {hint}")


def call_builder(reference: str, builder: Builder, *args: Any, **kwargs: Any) -> Any:
    """
    Call it, and blame it by file and line when it fails.

    :raises ExportError: it raised, or returned nothing.
    """
    try:
        result = builder(*args, **kwargs)
    except (Exception, SystemExit) as error:
        raise ExportError(f"The builder {reference} raised {describe_error(error)}.") from error
    if result is None:
        raise ExportError(
            f"The builder {reference} returned nothing. It must `return` the output tensor (TF1 graph), a dict of "
            "output tensors, or the model (tf.Module or keras.Model)."
        )
    return result


def describe_error(error: BaseException) -> str:
    """``ValueError: text (file.py, line 12)``, at the deepest line that is not a library's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename and "tendies_ops/export" not in f.filename]
    place = f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:500]}{place}"


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise SpecError(f"source.builder: there is no file {path}.")
    sys.path.insert(0, str(path.parent))  # so that it can import its neighbours
    spec = importlib.util.spec_from_file_location(f"tendies_builder_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SpecError(f"source.builder: {path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise SpecError(f"source.builder: importing {path} raised {describe_error(error)}.") from error
    return module


def _load_module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise SpecError(
            f"source.builder: no module named {error.name!r} where {sys.executable} looks. "
            "Install it there, or give the builder as `path/to/file.py:function`."
        ) from error
    except (Exception, SystemExit) as error:
        raise SpecError(f"source.builder: importing {name} raised {describe_error(error)}.") from error
