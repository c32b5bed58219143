"""Importing the scripts below examples/, which are run as files and find their neighbours by folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_example(path: str) -> ModuleType:
    """
    Import a script such as ``noise_to_stripes/measure.py`` under a name of its own.

    Two examples have a ``model.py``: what the import brought in under such plain names is forgotten again.
    """
    file = EXAMPLES / path
    name = "example_" + path.removesuffix(".py").replace("/", "_")
    if name in sys.modules:
        return sys.modules[name]
    neighbours = {other.stem for other in file.parent.glob("*.py")}
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
        for neighbour in neighbours:
            sys.modules.pop(neighbour, None)
    return module
