"""
Build the documentation as a site in ``.docs/site``; called by ``make docs``.

The pages are laid out as in the checkout, so that their links work both there and on the site.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / ".docs" / "pages"
#: What is documented from its docstrings: the names that DAGs and programs import.
_API = {
    "Operators": (
        "operators.batch.BatchInferenceOperator",
        "operators.export.ExportSavedModelOperator",
        "operators.release.ReleaseModelVersionOperator",
        "operators.review.ReviewModelVersionOperator",
        "operators.rollback.RollbackModelVersionOperator",
    ),
    "Sensor and hook": ("sensors.model_version.ModelVersionSensor", "hooks.model_server.ModelServerHook"),
    "DAGs of model specs": ("dag_factory.folder_of_specs", "spec.load.load_spec"),
    "Without Airflow": (
        "inference.run.run_batch",
        "release.release_model.release_model",
        "release.rollback_model.rollback_model",
        "client.rest_client.ModelServerClient",
    ),
    "Errors": ("errors",),
}


def main() -> int:
    """Copy the pages, add the reference of the Python API, and let MkDocs build the site; a warning is a failure."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for source in _sources():
        target = PAGES / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    (PAGES / "docs" / "reference" / "api.md").write_text(_api_page(), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _sources() -> list[Path]:
    """Return every page and picture that git tracks, and the licence."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    wanted = (".md", ".png", ".jpg", "LICENSE", "brush_strokes.yaml", "five_styles.yaml", "noise_to_stripes.yaml")
    names = [name for name in listing.split("\0") if name.endswith(wanted)]
    return [
        ROOT / name for name in names if not name.startswith(("tests/", "tendies_ops/")) and (ROOT / name).is_file()
    ]


def _api_page() -> str:
    lines = ["# Python API\n"]
    for title, names in _API.items():
        lines.append(f"## {title}\n")
        lines += [f"::: tendies_ops.{name}\n" for name in names]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
