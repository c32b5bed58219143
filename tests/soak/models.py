"""What is released: three good models in turn, and two that must be withdrawn."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.candidates import write_manifest
from tests.support.real_shift import make_export

MODEL_NAME = "stripes"
_SHIFTS = (10, 20, 30)
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Models:
    good: dict[int, Path]  #: by how much each moves every value -> its export
    broken: list[Path]
    shifts: dict[str, int]  #: model digest -> by how much


def make_models(folder: Path) -> Models:
    """In a process of its own, so that TensorFlow is not in this one."""
    script = "import sys; from pathlib import Path; from tests.soak.models import export; export(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, cwd=_ROOT, capture_output=True, timeout=300)
    good = {by: folder / str(by) for by in _SHIFTS}
    manifests = {by: json.loads((path / "assets.extra" / "tendies.json").read_bytes()) for by, path in good.items()}
    shifts = {manifest["model_digest"]: by for by, manifest in manifests.items()}
    return Models(good, [_cut_short(folder, good[10]), _wrong_promise(folder, good[20])], shifts)


def export(folder: Path) -> None:
    for by in _SHIFTS:
        make_export(folder / str(by), by=by, model_name=MODEL_NAME)


def _cut_short(folder: Path, good: Path) -> Path:
    """It does not load."""
    broken = Path(shutil.copytree(good, folder / "does-not-load"))
    graph = broken / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:100])
    write_manifest(broken, model_name=MODEL_NAME)
    return broken


def _wrong_promise(folder: Path, good: Path) -> Path:
    """It loads, and answers other pictures than its golden images say."""
    broken = Path(shutil.copytree(good, folder / "wrong-promise"))
    golden = broken / "assets.extra" / "tendies_golden"
    for path in golden.glob("*.in.png"):
        shutil.copy(path, golden / path.name.replace(".in.", ".out."))
    write_manifest(broken, model_name=MODEL_NAME)
    return broken
