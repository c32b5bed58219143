"""An environment a peer, below ``.bench/``, made when it is first needed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / ".bench"


def environment_python(name: str) -> Path:
    """
    Give the interpreter of a peer's environment; make the environment if it is not there or its requirements changed.

    :param name: of ``peers/requirements-<name>.txt``.
    :raises subprocess.CalledProcessError: the packages cannot be installed.
    """
    requirements = HERE / "peers" / f"requirements-{name}.txt"
    folder = ENVIRONMENTS / name
    python, stamp = folder / "bin" / "python", folder / "requirements.sha256"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != digest:
        print(f"Making the environment of {name} in {folder} ...", flush=True)
        uv = _find_uv()
        venv.create(folder, clear=True, with_pip=uv is None)
        install = [uv, "pip", "install", "--python", str(python)] if uv else [str(python), "-m", "pip", "install"]
        subprocess.run([*install, "--quiet", "--requirement", str(requirements)], check=True)
        stamp.write_text(digest, encoding="ascii")
    return python


def _find_uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
